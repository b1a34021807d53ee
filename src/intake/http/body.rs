//! The body of a request, which may be long, slow or without end.

use super::answer::NotTaken;
use crate::alarm::MOST_BYTES;
use http_body_util::BodyExt as _;
use hyper::{
    StatusCode,
    body::{Body as _, Incoming},
};
use std::time::Duration;
use tokio::time::timeout;

/// It must be here by then.
const BODY: Duration = Duration::from_secs(10);

/// The body, if it comes whole, in time, and is not too long; beyond that nothing is read.
pub(super) async fn read(body: Incoming) -> Result<Vec<u8>, NotTaken> {
    if body.size_hint().lower() > MOST_BYTES as u64 {
        return Err(too_long());
    }
    let slow = || NotTaken::new(StatusCode::REQUEST_TIMEOUT, "its body did not come within 10s");
    timeout(BODY, whole(body)).await.unwrap_or_else(|_| Err(slow()))
}

/// Pieces are copied together: kept as they come, each would keep the buffer alive that it came in.
async fn whole(mut body: Incoming) -> Result<Vec<u8>, NotTaken> {
    let mut bytes = vec![];
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| NotTaken::new(StatusCode::BAD_REQUEST, "its body broke off"))?;
        let Ok(piece) = frame.into_data() else { continue };
        if bytes.len() + piece.len() > MOST_BYTES {
            return Err(too_long());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn too_long() -> NotTaken {
    NotTaken::new(StatusCode::PAYLOAD_TOO_LARGE, "its body is longer than 256 KiB")
}
