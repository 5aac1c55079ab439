//! Connections that can be cut in the middle, which no HTTP library offers.
//!
//! A fault that loses a reply must lose it as a network does: the client reads nothing, or half.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const WHOLE: u8 = 0;
const HALF: u8 = 1;
const SILENT: u8 = 2;

/// The switch of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Shears(Arc<AtomicU8>);

impl Shears {
    /// Lets not one more byte out.
    pub(super) fn cut(&self) {
        self.0.store(SILENT, Ordering::SeqCst);
    }

    /// Lets the head of the next answer out, and half of its body.
    pub(super) fn cut_in_body(&self) {
        self.0.store(HALF, Ordering::SeqCst);
    }
}

/// A TCP listener whose connections have shears.
#[derive(Debug)]
pub(super) struct WireListener(pub(super) TcpListener);

impl Listener for WireListener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        let (stream, addr) = Listener::accept(&mut self.0).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::trace!(%error, "no TCP_NODELAY");
        }
        let shears = Shears::default();
        (Wire { stream, shears }, addr)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
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
        match self.shears.0.load(Ordering::SeqCst) {
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
