//! Keys that sign certificates: ECDSA on P-256 (what tools of the field expect, FIPS 186-5), or Ed25519.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::pkcs8::der::pem;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// What stands before the 32 bytes of an Ed25519 key: PKCS#8, version 1 (OpenSSL 3.0 reads no other), and
/// SubjectPublicKeyInfo; RFC 8410, sections 4 and 7.
const ED25519_PRIVATE: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
const ED25519_PUBLIC: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with SHA-256 on P-256; signatures are deterministic (RFC 6979).
    P256,
    /// Ed25519.
    Ed25519,
}

/// Why something is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not a public key that we know.
    #[error(
        "no public key: give one key in PEM (`-----BEGIN PUBLIC KEY-----`), P-256 or Ed25519, as `keygen` writes it"
    )]
    Public,
    /// Not a private key that we know. What was wrong is not said: it could quote the key.
    #[error(
        "no private key: give one unencrypted key in PEM (PKCS#8, `-----BEGIN PRIVATE KEY-----`), P-256 or Ed25519, as \
         `keygen` writes it"
    )]
    Private,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// A key that signs. Its memory is wiped when it is dropped, and no output shows it.
pub struct PrivateKey(Secret);

enum Secret {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_compact::KeyPair),
}

impl PrivateKey {
    /// A new key, from the system's random numbers.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(seed.as_mut()).map_err(KeyError::Random)?;
            // One number in 2³² is none of the group's; then the next one.
            if let Some(key) = Self::from_seed(algorithm, &seed) {
                return Ok(key);
            }
        }
    }

    /// The key with this secret number; none if P-256 has no such. For tests that must not depend on chance.
    pub fn from_seed(algorithm: Algorithm, seed: &[u8; 32]) -> Option<Self> {
        Some(Self(match algorithm {
            Algorithm::P256 => Secret::P256(p256::ecdsa::SigningKey::from_slice(seed).ok()?),
            Algorithm::Ed25519 => {
                Secret::Ed25519(ed25519_compact::KeyPair::from_seed(ed25519_compact::Seed::new(*seed)))
            }
        }))
    }

    /// Reads PKCS#8 in PEM.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        only_one(text, "PRIVATE KEY").ok_or(KeyError::Private)?;
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(text) {
            return Ok(Self(Secret::P256(key)));
        }
        let der = Zeroizing::new(pem::decode_vec(text.trim_ascii().as_bytes()).map_err(|_| KeyError::Private)?.1);
        let seed = der.strip_prefix(&ED25519_PRIVATE).and_then(|seed| <[u8; 32]>::try_from(seed).ok());
        let seed = Zeroizing::new(seed.ok_or(KeyError::Private)?);
        Self::from_seed(Algorithm::Ed25519, &seed).ok_or(KeyError::Private)
    }

    /// PKCS#8 in PEM; wiped when it is dropped.
    pub fn to_pem(&self) -> Zeroizing<String> {
        match &self.0 {
            Secret::P256(key) => key.to_pkcs8_pem(LineEnding::LF).expect("a key has an encoding"),
            Secret::Ed25519(key) => {
                let der = Zeroizing::new([&ED25519_PRIVATE[..], &key.sk[..32]].concat());
                Zeroizing::new(pem::encode_string("PRIVATE KEY", LineEnding::LF, &der).expect("a key has an encoding"))
            }
        }
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey::new(match &self.0 {
            Secret::P256(key) => Point::P256(*key.verifying_key()),
            Secret::Ed25519(key) => Point::Ed25519(key.pk),
        })
    }

    /// The signature of a message: DER for P-256, 64 bytes for Ed25519.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.normalize_s().to_der().as_bytes().to_vec()
            }
            Secret::Ed25519(key) => key.sk.sign(message, None).to_vec(),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(not shown; public key {})", self.public().hint())
    }
}

/// A key that verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: Point,
    hint: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Point {
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_compact::PublicKey),
}

impl Point {
    fn spki(&self) -> Vec<u8> {
        match self {
            Point::P256(key) => key.to_public_key_der().expect("a key has an encoding").into_vec(),
            Point::Ed25519(key) => [&ED25519_PUBLIC[..], &key[..]].concat(),
        }
    }
}

impl PublicKey {
    fn new(point: Point) -> Self {
        Self { hint: STANDARD.encode(Sha256::digest(point.spki())), point }
    }

    /// Reads SubjectPublicKeyInfo in PEM.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        only_one(text, "PUBLIC KEY").ok_or(KeyError::Public)?;
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_pem(text) {
            return Ok(Self::new(Point::P256(key)));
        }
        let (_, der) = pem::decode_vec(text.trim_ascii().as_bytes()).map_err(|_| KeyError::Public)?;
        let key = der.strip_prefix(&ED25519_PUBLIC).ok_or(KeyError::Public)?;
        let key = ed25519_compact::PublicKey::from_slice(key).map_err(|_| KeyError::Public)?;
        // A key of small order verifies what nobody has signed.
        key.validate().map_err(|_| KeyError::Public)?;
        Ok(Self::new(Point::Ed25519(key)))
    }

    /// SubjectPublicKeyInfo in PEM.
    pub fn to_pem(&self) -> String {
        pem::encode_string("PUBLIC KEY", LineEnding::LF, &self.point.spki()).expect("a key has an encoding")
    }

    /// What bundles call it: base64 of the SHA-256 of its SubjectPublicKeyInfo.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// How it was made.
    pub fn algorithm(&self) -> Algorithm {
        match self.point {
            Point::P256(_) => Algorithm::P256,
            Point::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Whether this key's owner has signed that message. There is one signature for it that counts: the other root of an
    /// ECDSA signature is refused, and so are its other encodings.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.point {
            Point::P256(key) => p256::ecdsa::Signature::from_der(signature).is_ok_and(|parsed| {
                parsed.normalize_s() == parsed
                    && parsed.to_der().as_bytes() == signature
                    && key.verify(message, &parsed).is_ok()
            }),
            Point::Ed25519(key) => ed25519_compact::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?}, {})", self.algorithm(), self.hint())
    }
}

/// Whether the text is one block of that kind: of several, readers take different ones.
fn only_one(text: &str, label: &str) -> Option<()> {
    let text = text.trim_ascii();
    let begins = text.starts_with(&format!("-----BEGIN {label}-----"));
    let ends = text.ends_with(&format!("-----END {label}-----"));
    (begins && ends && text.matches("-----BEGIN").count() == 1).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Algorithm; 2] = [Algorithm::P256, Algorithm::Ed25519];

    #[test]
    fn keys_come_back_as_they_were_written() {
        for algorithm in BOTH {
            let key = PrivateKey::generate(algorithm).unwrap();
            let again = PrivateKey::from_pem(&key.to_pem()).unwrap();
            assert_eq!(again.sign(b"x"), key.sign(b"x"));
            let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
            assert_eq!((&public, public.algorithm()), (&key.public(), algorithm));
            assert_ne!(PrivateKey::generate(algorithm).unwrap().public(), public);
            assert!(public.verifies(b"x", &key.sign(b"x")) && !public.verifies(b"y", &key.sign(b"x")));
        }
    }

    #[test]
    fn no_output_shows_a_private_key() {
        for algorithm in BOTH {
            let key = PrivateKey::from_seed(algorithm, &[7; 32]).unwrap();
            let shown = format!("{key:?} {key:#?}");
            let secret: String = key.to_pem().lines().nth(1).unwrap().chars().skip(24).take(16).collect();
            assert!(shown.contains("not shown") && !shown.contains(&secret) && !shown.contains("0707"), "{shown}");
        }
        let quoted =
            PrivateKey::from_pem("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----").unwrap_err();
        assert!(!format!("{quoted} {quoted:?}").contains("c2Vj"));
    }

    #[test]
    fn what_is_no_key() {
        let key = PrivateKey::from_seed(Algorithm::P256, &[7; 32]).unwrap();
        let (private, public) = (key.to_pem(), key.public().to_pem());
        for text in ["", "x", &*private, &format!("{public}{public}"), &format!("x\n{public}"), &public[..100]] {
            assert!(PublicKey::from_pem(text).is_err(), "{text}");
        }
        for text in ["", &*public, &format!("{}{}", *private, *private), "-----BEGIN RSA PRIVATE KEY-----"] {
            assert!(PrivateKey::from_pem(text).is_err(), "{text}");
        }
        // The neutral element: every message has the signature of 32 zero bytes and it.
        let mut neutral = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00\x01".to_vec();
        neutral.resize(44, 0);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(neutral));
        assert!(PublicKey::from_pem(&pem).is_err());
        assert!(PrivateKey::from_seed(Algorithm::P256, &[0; 32]).is_none());
    }

    /// RFC 8032, section 7.1, test 2; RFC 6979, section A.2.5, `sample` with SHA-256 (s of both roots the smaller).
    #[test]
    fn published_signatures() {
        let bytes = |hex: &str| -> Vec<u8> {
            let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
            pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
        };
        let key = |algorithm, hex| PrivateKey::from_seed(algorithm, &bytes(hex).try_into().unwrap()).unwrap();
        let ed25519 = key(Algorithm::Ed25519, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(ed25519.sign(&[0x72]), bytes(expected));
        let p256 = key(Algorithm::P256, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
        let signature = p256::ecdsa::Signature::from_der(&p256.sign(b"sample")).unwrap();
        let r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
        let s = bytes("f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8");
        let published = p256::ecdsa::Signature::from_scalars(
            <[u8; 32]>::try_from(bytes(r)).unwrap(),
            <[u8; 32]>::try_from(s).unwrap(),
        );
        assert_eq!(signature, published.unwrap().normalize_s());
    }

    #[test]
    fn one_signature_counts() {
        let key = PrivateKey::from_seed(Algorithm::P256, &[7; 32]).unwrap();
        let good = key.sign(b"x");
        let parsed = p256::ecdsa::Signature::from_der(&good).unwrap();
        let (r, s) = (*parsed.r(), *parsed.s());
        let twin = p256::ecdsa::Signature::from_scalars(r, -s).unwrap();
        let Secret::P256(own) = &key.0 else { unreachable!() };
        assert!(own.verifying_key().verify(b"x", &twin).is_ok(), "the twin is a signature to others");
        assert!(key.public().verifies(b"x", &good) && !key.public().verifies(b"x", twin.to_der().as_bytes()));
        assert!(!key.public().verifies(b"x", &[&good[..], &[0]].concat()));
        assert!(!key.public().verifies(b"x", &[]));
        // The same for Ed25519: s and s + the order of the group.
        let key = PrivateKey::from_seed(Algorithm::Ed25519, &[7; 32]).unwrap();
        let good = key.sign(b"x");
        let order =
            b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";
        let mut twin = good.clone();
        let mut carry = 0;
        for (byte, addend) in twin[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(*addend) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert!(key.public().verifies(b"x", &good) && !key.public().verifies(b"x", &twin));
    }
}
