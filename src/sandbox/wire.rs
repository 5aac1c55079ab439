//! Connections that can be cut in the middle, which no HTTP library offers.
//!
//! A fault that loses a reply must lose it as a network does: the client reads nothing, or half.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const WHOLE: u8 = 0;
const HALF: u8 = 1;
const SILENT: u8 = 2;

/// How many connections are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Connections(Arc<AtomicUsize>);

impl Connections {
    /// How many there are now. A connection counts from the moment that it is taken up until its client has
    /// gone and what it asked for has been carried out.
    pub(super) fn open(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn one_more(&self) -> Shears {
        self.0.fetch_add(1, Ordering::SeqCst);
        Shears(Arc::new(Switch {
            out: AtomicU8::new(WHOLE),
            of: self.clone(),
        }))
    }
}

/// The switch of one connection, which is open as long as somebody holds it.
#[derive(Clone, Debug)]
pub(super) struct Shears(Arc<Switch>);

#[derive(Debug)]
struct Switch {
    /// What of an answer is let out.
    out: AtomicU8,
    of: Connections,
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.of.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shears {
    /// Lets not one more byte out.
    pub(super) fn cut(&self) {
        self.0.out.store(SILENT, Ordering::SeqCst);
    }

    /// Lets the head of the next answer out, and half of its body.
    pub(super) fn cut_in_body(&self) {
        self.0.out.store(HALF, Ordering::SeqCst);
    }
}

/// A TCP listener whose connections have shears.
#[derive(Debug)]
pub(super) struct WireListener {
    pub(super) listener: TcpListener,
    pub(super) connections: Connections,
}

impl Listener for WireListener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, addr) = Listener::accept(&mut self.listener).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::trace!(%error, "no TCP_NODELAY");
        }
        let shears = self.connections.one_more();
        (Wire { stream, shears }, addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, WireListener>> for Shears {
    fn connect_info(stream: IncomingStream<'_, WireListener>) -> Shears {
        stream.io().shears.clone()
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    shears: Shears,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

/// No vectored writes: an answer must come in one piece to be cut in its body.
impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.shears.0.out.load(Ordering::SeqCst) {
            WHOLE => Pin::new(&mut self.stream).poll_write(cx, buf),
            HALF => {
                let head = buf
                    .windows(4)
                    .position(|bytes| bytes == b"\r\n\r\n")
                    .map_or(0, |at| at + 4);
                let written = Pin::new(&mut self.stream)
                    .poll_write(cx, &buf[..head + (buf.len() - head) / 2]);
                if matches!(written, Poll::Ready(Ok(_))) {
                    self.shears.cut();
                }
                written
            }
            _ => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
