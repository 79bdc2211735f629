//! The signature over a message's four JSON frames.

use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Signs and checks messages with the connection file's key (HMAC-SHA256, in hexadecimal).
#[derive(Clone)]
pub struct Signer(Option<Hmac<Sha256>>);

impl Signer {
    /// A signer with this key. With an empty key nothing is signed or checked, as Jupyter has it.
    pub fn new(key: &str) -> Self {
        // HMAC takes a key of any length; the error type is for other MACs.
        Self(if key.is_empty() { None } else { Hmac::new_from_slice(key.as_bytes()).ok() })
    }

    /// The signature of these frames.
    pub fn sign<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> String {
        let Some(mac) = self.mac_over(frames) else { return String::new() };
        let digest = mac.finalize().into_bytes();
        digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }

    /// True if `signature` matches these frames. Takes the same time wherever it differs.
    pub fn verify<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>, signature: &[u8]) -> bool {
        let Some(mac) = self.mac_over(frames) else { return true };
        from_hex(signature).is_some_and(|signature| mac.verify_slice(&signature).is_ok())
    }

    fn mac_over<'a>(&self, frames: impl IntoIterator<Item = &'a [u8]>) -> Option<Hmac<Sha256>> {
        let mut mac = self.0.clone()?;
        for frame in frames {
            mac.update(frame);
        }
        Some(mac)
    }
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    text.chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_verifies_and_another_does_not() {
        let signer = Signer::new("key");
        // RFC 2104 over the concatenation; value from Python's hmac module.
        let signature = signer.sign([b"The quick brown fox ".as_slice(), b"jumps over the lazy dog"]);
        assert_eq!(signature, "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
        assert!(signer.verify([b"The quick brown fox jumps over the lazy dog".as_slice()], signature.as_bytes()));
        assert!(!signer.verify([b"something else".as_slice()], signature.as_bytes()));
        for broken in [b"".as_slice(), b"f", b"zz", &signature.as_bytes()[2..], "fé".as_bytes()] {
            assert!(!signer.verify([b"something else".as_slice()], broken));
        }
    }

    #[test]
    fn without_a_key_everything_passes() {
        let signer = Signer::new("");
        assert_eq!(signer.sign([b"x".as_slice()]), "");
        assert!(signer.verify([b"x".as_slice()], b""));
    }
}
