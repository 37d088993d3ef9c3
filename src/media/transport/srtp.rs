//! SRTP and SRTCP (RFC 3711, RFC 7714) on rtc-srtp and rtc-crypto.
//!
//! RTP with AES-GCM, the hot path, is sealed and opened in place from the caller's own state: the
//! packet index lives in the slot or the receiving layer, so there is no map, no allocation, and
//! nothing is remembered of a packet that does not authenticate. `rtc_srtp::Context` does RTCP
//! for everybody and RTP for clients that have AES-CM only.
//!
//! Rule 0 of this project: no (SSRC, packet index) is sealed twice with different bytes. Callers
//! keep it by never reusing a sequence number of a slot; retransmissions use the RTX stream.

use bytes::BytesMut;
use rtc_crypto::{AeadAlgorithm, AeadCipher, BlockCipherAlgorithm};
use rtc_rtp::header::Header;
use rtc_shared::marshal::{MarshalSize, Unmarshal};
use rtc_srtp::context::Context;
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;

use super::Crypto;

/// Bytes that GCM adds to a packet.
pub const TAG: usize = 16;
/// SSRCs under which a peer may report: as many as it may send streams.
const MAX_REPORTERS: usize = 32;
/// Most bytes that any profile adds to an RTP packet.
pub const MAX_OVERHEAD: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Gcm128,
    Gcm256,
    /// AES_CM_128_HMAC_SHA1_80
    AesCm,
}

impl Profile {
    fn library(self) -> ProtectionProfile {
        match self {
            Self::Gcm128 => ProtectionProfile::AeadAes128Gcm,
            Self::Gcm256 => ProtectionProfile::AeadAes256Gcm,
            Self::AesCm => ProtectionProfile::Aes128CmHmacSha1_80,
        }
    }
}

/// Master keys and salts of both directions.
pub struct KeyingMaterial {
    profile: Profile,
    ours: (Vec<u8>, Vec<u8>),
    theirs: (Vec<u8>, Vec<u8>),
}

impl std::fmt::Debug for KeyingMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyingMaterial").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl KeyingMaterial {
    /// Bytes to export from DTLS (RFC 5764 §4.2).
    #[must_use]
    pub fn length(profile: Profile) -> usize {
        let library = profile.library();
        2 * (library.key_len() + library.salt_len())
    }

    /// Splits exported bytes (client key, server key, client salt, server salt) for the server.
    #[must_use]
    pub fn for_server(profile: Profile, exported: &[u8]) -> Option<Self> {
        let client = Self::for_client(profile, exported)?;
        Some(Self { profile, ours: client.theirs, theirs: client.ours })
    }

    /// The same for the other side.
    #[must_use]
    pub fn for_client(profile: Profile, exported: &[u8]) -> Option<Self> {
        let (key, salt) = (profile.library().key_len(), profile.library().salt_len());
        if exported.len() != 2 * (key + salt) {
            return None;
        }
        let (keys, salts) = exported.split_at(2 * key);
        let ours = (keys[..key].to_vec(), salts[..salt].to_vec());
        let theirs = (keys[key..].to_vec(), salts[salt..].to_vec());
        Some(Self { profile, ours, theirs })
    }
}

/// The packet did not authenticate, is a replay, or is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unauthentic;

/// Keys for what we send.
#[repr(C)] // in the order of use, as `Peer` is
pub struct Sealer {
    gcm: Option<Gcm>,
    profile: Profile,
    context: Context,
}

/// Keys for what we receive.
pub struct Opener {
    profile: Profile,
    gcm: Option<Gcm>,
    context: Context,
    keys: (Vec<u8>, Vec<u8>),
    /// SSRCs whose RTCP has authenticated.
    reporters: Vec<u32>,
}

/// Both directions from one handshake. `None`: the library refused the keys.
#[must_use]
pub fn keyed(keys: &KeyingMaterial, crypto: &dyn Crypto) -> Option<(Sealer, Opener)> {
    let profile = keys.profile;
    let sealer = Sealer {
        profile,
        gcm: Gcm::new(profile, &keys.ours, crypto),
        context: Context::new(&keys.ours.0, &keys.ours.1, profile.library(), None, None, crypto).ok()?,
    };
    let opener = Opener {
        profile,
        gcm: Gcm::new(profile, &keys.theirs, crypto),
        context: receiving_context(profile, &keys.theirs, crypto)?,
        keys: keys.theirs.clone(),
        reporters: Vec::new(),
    };
    Some((sealer, opener))
}

fn receiving_context(profile: Profile, keys: &(Vec<u8>, Vec<u8>), crypto: &dyn Crypto) -> Option<Context> {
    Context::new(
        &keys.0,
        &keys.1,
        profile.library(),
        Some(srtp_replay_protection(512)),
        Some(srtcp_replay_protection(128)),
        crypto,
    )
    .ok()
}

impl Sealer {
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Seals the RTP packet that stands at `packet[start..]` (header of `header` bytes, then
    /// payload) in place; the tag is appended. `index` is the 48-bit packet index (RFC 3711
    /// §3.3.1) of (its SSRC, its sequence number).
    pub fn seal_rtp(&mut self, packet: &mut Vec<u8>, start: usize, header: usize, index: u64) {
        if let Some(gcm) = &mut self.gcm {
            packet.resize(packet.len() + TAG, 0);
            let whole = &mut packet[start..];
            let ssrc = u32::from_be_bytes([whole[8], whole[9], whole[10], whole[11]]);
            let nonce = gcm.nonce(ssrc, index);
            let (aad, rest) = whole.split_at_mut(header);
            let (payload, tag) = rest.split_at_mut(rest.len() - TAG);
            gcm.cipher
                .seal_in_place(&nonce, aad, payload, tag)
                .expect("AES-GCM seals any packet below 64 GiB");
        } else {
            let whole = &packet[start..];
            let mut head = &whole[..header];
            let parsed = Header::unmarshal(&mut head).expect("we wrote this header");
            let sealed = self.context.encrypt_rtp_with_header(whole, &parsed);
            packet.truncate(start);
            packet.extend_from_slice(&sealed.expect("AES-CM seals any packet below 64 KiB"));
        }
    }

    /// Seals a packet that somebody else wrote, for clients that misbehave on purpose. `None`: it
    /// has no form that the profile could seal.
    #[must_use]
    pub fn seal_foreign(&mut self, packet: &[u8], header: usize, index: u64) -> Option<Vec<u8>> {
        if self.gcm.is_none() {
            let parsed = Header::unmarshal(&mut &*packet).ok()?;
            // The library writes a header as long as it would write it itself, not as it stands.
            if parsed.marshal_size() != header {
                return None;
            }
            return Some(self.context.encrypt_rtp_with_header(packet, &parsed).ok()?.to_vec());
        }
        let mut sealed = packet.to_vec();
        self.seal_rtp(&mut sealed, 0, header, index);
        Some(sealed)
    }

    /// Seals a compound RTCP packet.
    #[must_use]
    pub fn seal_rtcp(&mut self, plain: &[u8]) -> BytesMut {
        self.context.encrypt_rtcp(plain).unwrap_or_default()
    }
}

/// Receiving state of one SSRC: rollover and replay window. 24 bytes, owned by the caller.
#[derive(Clone, Default)]
pub struct ReceiveIndex {
    highest: Option<u64>,
    /// Bit n: `highest - n` was received.
    window: [u64; 2],
}

impl ReceiveIndex {
    /// The packet index that `seq` most likely means (RFC 3711 appendix A). `None`: a replay, or
    /// too old to tell.
    fn guess(&self, seq: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            return Some(u64::from(seq));
        };
        let index = extend(highest, seq)?;
        if index > highest {
            return Some(index);
        }
        let back = highest - index;
        let fresh = back < 128 && self.window[(back / 64) as usize] >> (back % 64) & 1 == 0;
        fresh.then_some(index)
    }

    fn accept(&mut self, index: u64) {
        let bits = u128::from(self.window[1]) << 64 | u128::from(self.window[0]);
        let bits = match self.highest {
            Some(highest) if index <= highest => bits | 1 << (highest - index),
            Some(highest) => {
                let forward = index - highest;
                self.highest = Some(index);
                if forward < 128 { bits << forward | 1 } else { 1 }
            }
            None => {
                self.highest = Some(index);
                1
            }
        };
        self.window = [bits as u64, (bits >> 64) as u64];
    }
}

/// The number nearest to `near` whose low 16 bits are `seq`. `None` below zero.
#[must_use]
pub fn extend(near: u64, seq: u16) -> Option<u64> {
    let delta = i64::from(seq.wrapping_sub(near as u16) as i16);
    near.checked_add_signed(delta)
}

impl Opener {
    /// Opens an RTP packet in place. Returns the 48-bit packet index and the plaintext's length
    /// (header included). State is changed only by packets that authenticate.
    pub fn open_rtp(
        &mut self,
        packet: &mut [u8],
        header: usize,
        state: &mut ReceiveIndex,
        crypto: &dyn Crypto,
    ) -> Result<(u64, usize), Unauthentic> {
        let seq = u16::from_be_bytes([packet[2], packet[3]]);
        let index = state.guess(seq).ok_or(Unauthentic)?;
        let length = if let Some(gcm) = &mut self.gcm {
            if packet.len() < header + TAG {
                return Err(Unauthentic);
            }
            let ssrc = u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]);
            let nonce = gcm.nonce(ssrc, index);
            let (aad, rest) = packet.split_at_mut(header);
            let (payload, tag) = rest.split_at_mut(rest.len() - TAG);
            gcm.cipher.open_in_place(&nonce, aad, payload, tag).map_err(|_| Unauthentic)?;
            header + payload.len()
        } else {
            self.open_aes_cm(packet, state, crypto)?
        };
        state.accept(index);
        Ok((index, length))
    }

    fn open_aes_cm(
        &mut self,
        packet: &mut [u8],
        state: &ReceiveIndex,
        crypto: &dyn Crypto,
    ) -> Result<usize, Unauthentic> {
        let mut head = &packet[..];
        let parsed = Header::unmarshal(&mut head).map_err(|_| Unauthentic)?;
        if state.highest.is_none() {
            // The library remembers every SSRC it is shown, authentic or not; so a stranger's
            // first packet is tried on a context that is thrown away.
            let mut trial = receiving_context(self.profile, &self.keys, crypto).ok_or(Unauthentic)?;
            trial.decrypt_rtp_with_header(packet, &parsed).map_err(|_| Unauthentic)?;
        }
        let plain = self.context.decrypt_rtp_with_header(packet, &parsed).map_err(|_| Unauthentic)?;
        packet[..plain.len()].copy_from_slice(&plain);
        Ok(plain.len())
    }

    /// SSRCs under which RTCP was taken.
    #[must_use]
    pub fn reporters(&self) -> usize {
        self.reporters.len()
    }

    /// Opens a compound RTCP packet. As with RTP, the library would remember the sender's SSRC of
    /// any packet, authentic or not: an unknown one is tried on a context that is thrown away.
    pub fn open_rtcp(&mut self, packet: &[u8], crypto: &dyn Crypto) -> Result<BytesMut, Unauthentic> {
        let ssrc = packet.get(4..8).and_then(|s| s.try_into().ok()).map(u32::from_be_bytes);
        let ssrc = ssrc.ok_or(Unauthentic)?;
        if !self.reporters.contains(&ssrc) {
            if self.reporters.len() >= MAX_REPORTERS {
                return Err(Unauthentic);
            }
            let trial = receiving_context(self.profile, &self.keys, crypto);
            trial.ok_or(Unauthentic)?.decrypt_rtcp(packet).map_err(|_| Unauthentic)?;
            self.reporters.push(ssrc);
        }
        self.context.decrypt_rtcp(packet).map_err(|_| Unauthentic)
    }
}

/// AES-GCM for RTP with its session salt.
struct Gcm {
    cipher: Box<dyn AeadCipher>,
    salt: [u8; 12],
}

impl Gcm {
    fn new(profile: Profile, keys: &(Vec<u8>, Vec<u8>), crypto: &dyn Crypto) -> Option<Self> {
        const LABEL_KEY: u8 = 0;
        const LABEL_SALT: u8 = 2;
        let (algorithm, block) = match profile {
            Profile::Gcm128 => (AeadAlgorithm::Aes128Gcm, BlockCipherAlgorithm::Aes128),
            Profile::Gcm256 => (AeadAlgorithm::Aes256Gcm, BlockCipherAlgorithm::Aes256),
            Profile::AesCm => return None,
        };
        let derive = |label, length| derive(&keys.0, &keys.1, label, length, block, crypto);
        let key = derive(LABEL_KEY, keys.0.len())?;
        let salt = derive(LABEL_SALT, 12)?.try_into().ok()?;
        Some(Self { cipher: crypto.new_aead(algorithm, &key).ok()?, salt })
    }

    /// RFC 7714 §8.1: salt XOR (00 00 | SSRC | ROC | SEQ); ROC and SEQ are the 48-bit index.
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; 12] {
        let mut nonce = self.salt;
        let index = &index.to_be_bytes()[2..];
        for (n, b) in nonce[2..].iter_mut().zip(ssrc.to_be_bytes().iter().chain(index)) {
            *n ^= b;
        }
        nonce
    }
}

/// AES-CM key derivation with rate 0 (RFC 3711 §4.3, RFC 6188).
fn derive(
    key: &[u8],
    salt: &[u8],
    label: u8,
    length: usize,
    algorithm: BlockCipherAlgorithm,
    crypto: &dyn Crypto,
) -> Option<Vec<u8>> {
    let mut input = [0u8; 16];
    input[..salt.len()].copy_from_slice(salt);
    input[7] ^= label;
    let mut out = Vec::with_capacity(length + 16);
    for counter in 0u16.. {
        if out.len() >= length {
            break;
        }
        let mut block = input;
        block[14..].copy_from_slice(&counter.to_be_bytes());
        crypto.block_encrypt(algorithm, key, &mut block).ok()?;
        out.extend_from_slice(&block);
    }
    out.truncate(length);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::crypto_provider;

    fn pair(profile: Profile) -> (Sealer, Opener) {
        let provider = crypto_provider().unwrap();
        let exported: Vec<u8> = (0..KeyingMaterial::length(profile)).map(|i| i as u8).collect();
        let client = KeyingMaterial::for_client(profile, &exported).unwrap();
        let server = KeyingMaterial::for_server(profile, &exported).unwrap();
        let (sealer, _) = keyed(&server, provider.crypto()).unwrap();
        let (_, opener) = keyed(&client, provider.crypto()).unwrap();
        (sealer, opener)
    }

    fn packet(seq: u16, payload: &[u8]) -> Vec<u8> {
        let mut p = vec![0x80, 96];
        p.extend(seq.to_be_bytes());
        p.extend([0, 0, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd]);
        p.extend(payload);
        p
    }

    #[test]
    fn own_framing_and_the_library_agree() {
        let provider = crypto_provider().unwrap();
        for profile in [Profile::Gcm128, Profile::Gcm256, Profile::AesCm] {
            let (mut sealer, mut opener) = pair(profile);
            let mut sealed = packet(1000, b"hello");
            sealer.seal_rtp(&mut sealed, 0, 12, 1000);
            let plain = opener.context.decrypt_rtp(&sealed).expect("library opens ours");
            assert_eq!(&plain[12..], b"hello");
            let mut theirs = sealer.context.encrypt_rtp(&packet(1001, b"again")).unwrap().to_vec();
            let mut state = ReceiveIndex::default();
            let opened = opener.open_rtp(&mut theirs, 12, &mut state, provider.crypto()).expect("ours");
            assert_eq!(opened, (1001, 17));
            assert_eq!(&theirs[12..17], b"again");
        }
    }

    #[test]
    fn rollover_replay_and_forgery() {
        let provider = crypto_provider().unwrap();
        for profile in [Profile::Gcm128, Profile::AesCm] {
            let (mut sealer, mut opener) = pair(profile);
            let mut state = ReceiveIndex::default();
            let mut open =
                |mut p: Vec<u8>| opener.open_rtp(&mut p, 12, &mut state, provider.crypto()).map(|(i, _)| i);
            let mut copies = Vec::new();
            for index in 65_500u64..65_600 {
                let mut p = packet(index as u16, b"x");
                sealer.seal_rtp(&mut p, 0, 12, index);
                copies.push(p);
            }
            // One overtakes another across the wrap.
            copies.swap(35, 36);
            for (n, p) in copies.iter().enumerate() {
                let expected = match n {
                    35 => 65_536,
                    36 => 65_535,
                    n => 65_500 + n as u64,
                };
                let mut forged = p.clone();
                let last = forged.len() - 1;
                forged[last] ^= 1;
                assert_eq!(open(forged), Err(Unauthentic));
                assert_eq!(open(p.clone()), Ok(expected));
                assert_eq!(open(p.clone()), Err(Unauthentic), "replay of {expected}");
            }
        }
    }

    #[test]
    fn extended_numbers_wrap_both_ways() {
        assert_eq!(extend(10, 12), Some(12));
        assert_eq!(extend(65_535, 0), Some(65_536));
        assert_eq!(extend(65_536, 65_535), Some(65_535));
        assert_eq!(extend(3, 65_535), None);
    }

    #[test]
    fn what_is_too_old_to_tell_or_too_short_is_refused() {
        let provider = crypto_provider().unwrap();
        let (mut sealer, mut opener) = pair(Profile::Gcm128);
        let mut state = ReceiveIndex::default();
        let mut open = |index: u64| {
            let mut p = packet(index as u16, b"x");
            sealer.seal_rtp(&mut p, 0, 12, index);
            opener.open_rtp(&mut p, 12, &mut state, provider.crypto()).map(|(i, _)| i)
        };
        for index in [1_000, 1_070, 1_071, 1_199] {
            assert_eq!(open(index), Ok(index));
        }
        assert_eq!(open(1_072), Ok(1_072), "127 back");
        for index in [1_071, 1_072, 1_070, 1_000, 1_199] {
            assert_eq!(open(index), Err(Unauthentic), "{index} again, or too old");
        }
        assert_eq!(open(1_400), Ok(1_400));
        assert_eq!(open(1_399), Ok(1_399), "after a jump beyond the window");
        let mut short = packet(1_401, &[0; TAG - 1]);
        let mut state = ReceiveIndex::default();
        assert_eq!(opener.open_rtp(&mut short, 12, &mut state, provider.crypto()), Err(Unauthentic));
    }

    #[test]
    fn reporters_are_counted_when_they_prove_themselves_and_no_more_than_32() {
        let provider = crypto_provider().unwrap();
        for profile in [Profile::Gcm128, Profile::AesCm] {
            let (mut sealer, mut opener) = pair(profile);
            let report = |ssrc: u32| {
                let mut p = vec![0x80, 201, 0, 1];
                p.extend(ssrc.to_be_bytes());
                p
            };
            for n in 0..40 {
                let sealed = sealer.seal_rtcp(&report(n));
                let mut forged = sealed.to_vec();
                forged[8] ^= 1;
                assert!(opener.open_rtcp(&forged, provider.crypto()).is_err());
                let opened = opener.open_rtcp(&sealed, provider.crypto());
                assert_eq!(opened.is_ok(), n < 32, "{n}");
                assert!(opened.is_err() || opened.unwrap()[..] == report(n)[..]);
                assert!(opener.open_rtcp(&sealed, provider.crypto()).is_err(), "a replay");
                assert_eq!(opener.reporters(), 32.min(n as usize + 1));
            }
            assert!(opener.open_rtcp(&[0x80, 201, 0], provider.crypto()).is_err());
        }
    }
}
