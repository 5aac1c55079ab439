//! What a runner serves: whether it lives, whether it is ready, and what it has counted.
//!
//! Nothing can be changed through it, and nothing in it names a person or says what a message says.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::metrics::Metrics;
use crate::cli::error::Failure;
use crate::cli::text::clean;
use crate::engine::ledger::Ledger;
use crate::engine::right::Stop;

/// What the endpoints look at.
pub(super) struct Watched {
    pub(super) metrics: Metrics,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) stop: Arc<Stop>,
    /// How the last round went; none before the first.
    pub(super) round: std::sync::Mutex<Option<Result<(), String>>>,
}

/// Begins to listen, and says where.
pub(super) async fn serve(
    addr: SocketAddr,
    watched: Arc<Watched>,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), Failure> {
    let cannot = |error| {
        Failure::new(format!("{addr} cannot be listened on"))
            .because(error)
            .hint("Give `--listen` an address that is free, or port 0 for any.")
    };
    let listener = TcpListener::bind(addr).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(watched);
    let served = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!("{bound} is no longer listened on: {error}");
        }
    });
    Ok((bound, served))
}

async fn healthz() -> Response {
    text(StatusCode::OK, "ok")
}

/// Ready is who would send what is due now.
async fn readyz(State(watched): State<Arc<Watched>>) -> Response {
    let not = |why: &str| text(StatusCode::SERVICE_UNAVAILABLE, &clean(why));
    if watched.stop.is_asked() {
        return not("it is stopping");
    }
    if let Err(error) = watched.ledger.turn().await {
        watched.metrics.ledger_failed();
        return not(&format!("the ledger cannot be read: {error}"));
    }
    let round = watched.round.lock();
    match &*round.unwrap_or_else(std::sync::PoisonError::into_inner) {
        None => not("it has only begun"),
        Some(Err(why)) => not(&format!("the last round failed: {why}")),
        Some(Ok(())) => text(StatusCode::OK, "ready"),
    }
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], watched.metrics.text()).into_response()
}

fn text(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}
