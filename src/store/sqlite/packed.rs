//! How the body of a link lies in its column: as it is; what is long, packed.
//!
//! The events of a wide run are alike, a thousand to a link: packed, they take a twentieth of the room, and
//! so much less to write, to sync and to read. What is shorter stays JSON, for whoever looks at it with
//! SQLite's own tools. Hashes are of the JSON: what is packed here changes no chain and no export.
//!
//! Packed is [`MARK`], the length of the JSON in four bytes, lowest first, and an LZ4 block of it.

use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};
use std::borrow::Cow;

/// From so many bytes on a body is packed.
const LONG: usize = 8 << 10;

/// JSON is UTF-8, where this byte never stands.
const MARK: u8 = 0xff;

/// No byte of an LZ4 block stands for more: what claims to be longer is damage, and gets no memory.
const MOST: usize = 255;

/// Mark and length.
const HEADER: usize = 5;

/// A body as it is to be stored.
pub(super) fn pack(body: &[u8]) -> Cow<'_, [u8]> {
    let Some(length) = u32::try_from(body.len()).ok().filter(|_| body.len() >= LONG) else { return body.into() };
    let mut packed = vec![0; HEADER + get_maximum_output_size(body.len())];
    let Ok(written) = compress_into(body, &mut packed[HEADER..]) else { return body.into() };
    packed[0] = MARK;
    packed[1..HEADER].copy_from_slice(&length.to_le_bytes());
    packed.truncate(HEADER + written);
    packed.shrink_to_fit();
    packed.into()
}

/// The body that was stored; where it cannot be had, why.
pub(super) fn unpack(stored: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    const DAMAGED: &str = "it cannot be unpacked";
    if stored.first() != Some(&MARK) {
        return Ok(stored);
    }
    let (header, block) = stored.split_first_chunk::<HEADER>().ok_or(DAMAGED)?;
    let [_, length @ ..] = *header;
    let length = u32::from_le_bytes(length) as usize;
    if length > block.len().saturating_mul(MOST) {
        return Err(DAMAGED);
    }
    let body = decompress(block, length).map_err(|_| DAMAGED)?;
    if body.len() == length { Ok(body) } else { Err(DAMAGED) }
}

#[cfg(test)]
mod tests;
