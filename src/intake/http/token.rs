//! The bearer token of the door.

use crate::ids::Digest;

/// A token that senders must show. Only its digest is kept, so nothing can print it, and comparing
/// two digests tells nobody how much of a guess was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Digest);

impl Token {
    /// Of the token itself.
    pub fn new(token: &str) -> Self {
        Self(Digest::of(token.as_bytes()))
    }

    /// Whether an `Authorization` header shows it.
    pub(super) fn shown_by(&self, header: &[u8]) -> bool {
        const SCHEME: &[u8] = b"Bearer ";
        let (scheme, token) = header.split_at(SCHEME.len().min(header.len()));
        scheme.eq_ignore_ascii_case(SCHEME) && Digest::of(token.trim_ascii()) == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_by_itself_alone() {
        let token = Token::new("s3cret");
        for good in ["Bearer s3cret", "bearer s3cret", "BEARER  s3cret "] {
            assert!(token.shown_by(good.as_bytes()), "{good}");
        }
        for bad in
            ["", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crett", "Bearer S3CRET", "Basic s3cret", "s3cret"]
        {
            assert!(!token.shown_by(bad.as_bytes()), "{bad}");
        }
        assert!(!format!("{token:?}").contains("s3cret"));
    }
}
