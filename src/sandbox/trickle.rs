//! Bodies that do not come as bodies should: halves, and what never seems to end.

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::holds::Ticket;

/// How much is given at a time.
const PIECE: u64 = 64 * 1024;

/// Half of a text at once, and the rest when the ticket is let go.
pub(super) fn stalled(text: String, ticket: Ticket) -> Body {
    let half = text.floor_char_boundary(text.len() / 2);
    let (first, rest) = text.split_at(half);
    let (first, rest) = (Bytes::from(first.to_owned()), Bytes::from(rest.to_owned()));
    let steps = stream::unfold(
        Some((Some(first), ticket, rest)),
        async |state| match state? {
            (Some(first), ticket, rest) => Some((Ok(first), Some((None, ticket, rest)))),
            (None, ticket, rest) => {
                ticket.wait().await;
                Some((Ok::<Bytes, std::convert::Infallible>(rest), None))
            }
        },
    );
    Body::from_stream(steps)
}

/// A JSON text of so many bytes, whose one string is most of it.
pub(super) fn enormous(bytes: u64) -> Body {
    const HEAD: &[u8] = b"{\"code\":0,\"msg\":\"";
    const TAIL: &[u8] = b"\"}";
    let filling = Bytes::from(vec![b'x'; PIECE as usize]);
    let steps = stream::unfold(Some(bytes), move |left| {
        let filling = filling.clone();
        async move {
            let left = left?;
            let piece = match left {
                0 => Bytes::from_static(TAIL),
                _ if left == bytes => Bytes::from_static(HEAD),
                _ => filling.slice(..usize::try_from(left.min(PIECE)).unwrap_or(0)),
            };
            let next = match left {
                0 => None,
                _ if left == bytes => Some(left - 1),
                _ => Some(left - left.min(PIECE)),
            };
            Some((Ok::<Bytes, std::convert::Infallible>(piece), next))
        }
    });
    Body::from_stream(steps)
}
