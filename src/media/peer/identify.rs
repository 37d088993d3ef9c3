//! What an SSRC is, by what its first packet says of itself (RFC 8843 §9.2, RFC 8852).

use super::StreamPlace;
use crate::media::negotiate::{ExtensionIds, SourceSetup};
use crate::media::rtp::RtpHeader;

/// What an SSRC carries, by what its packet says of itself. Only names that were negotiated count.
pub(super) fn identify(
    setups: &[SourceSetup],
    ids: &ExtensionIds,
    header: &RtpHeader,
    p: &[u8],
) -> Option<StreamPlace> {
    let text = |id: Option<u8>| std::str::from_utf8(header.extension(p, id?)?).ok();
    let (rid, repaired) = (text(ids.rid), text(ids.repaired_rid));
    let mid = text(ids.mid);
    for (source, setup) in setups.iter().enumerate() {
        let repair = setup.rtx_payload_type == Some(header.payload_type);
        if !repair && ![Some(setup.payload_type), setup.red].contains(&Some(header.payload_type)) {
            continue;
        }
        if let Some(at) = declared(setup, header.ssrc, repair) {
            return Some(StreamPlace { source, layer: at, repair });
        }
        if mid.is_some_and(|m| m != setup.mid) {
            continue;
        }
        if setup.rids.is_empty() {
            if mid.is_some() {
                return Some(StreamPlace { source, layer: 0, repair });
            }
            continue;
        }
        let name = if repair { repaired.or(rid) } else { rid };
        if let Some(at) = setup.rids.iter().position(|r| Some(r.as_str()) == name) {
            return Some(StreamPlace { source, layer: at as u8, repair });
        }
    }
    None
}

/// A single stream may be known by `a=ssrc` alone.
fn declared(setup: &SourceSetup, ssrc: u32, repair: bool) -> Option<u8> {
    let (media, rtx) = setup.ssrcs.first().filter(|_| setup.rids.is_empty())?;
    let is = if repair { *rtx == Some(ssrc) } else { *media == ssrc };
    is.then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SourceId;
    use crate::media::codec::Codec;
    use crate::media::negotiate::SourceKind;

    const IDS: ExtensionIds = ExtensionIds {
        mid: Some(1),
        rid: Some(2),
        repaired_rid: Some(3),
        transport_cc: None,
        audio_level: None,
        orientation: None,
    };

    fn camera(mid: &str, rids: &[&str], ssrcs: &[(u32, Option<u32>)]) -> SourceSetup {
        SourceSetup {
            source: SourceId(1),
            kind: SourceKind::Camera,
            mid: mid.to_owned(),
            codec: Codec::Vp8,
            payload_type: 96,
            rtx_payload_type: Some(97),
            red: None,
            rids: rids.iter().map(|r| (*r).to_owned()).collect(),
            ssrcs: ssrcs.to_vec(),
        }
    }

    /// What a packet with these names is: (source, layer, repair).
    fn what(
        setups: &[SourceSetup],
        ssrc: u32,
        payload_type: u8,
        names: &[(u8, &str)],
    ) -> Option<(usize, u8, bool)> {
        let mut p = vec![0x90, payload_type, 0, 1, 0, 0, 0, 0];
        p.extend(ssrc.to_be_bytes());
        p.extend([0xbe, 0xde, 0, 4]);
        for (id, text) in names {
            p.push(id << 4 | (text.len() as u8 - 1));
            p.extend(text.as_bytes());
        }
        p.resize(32, 0);
        let place = identify(setups, &IDS, &RtpHeader::read(&p).unwrap(), &p)?;
        Some((place.source, place.layer, place.repair))
    }

    #[test]
    fn a_single_stream_is_known_by_its_declared_ssrc_or_its_mid() {
        let setups = [camera("a", &[], &[(10, Some(11))]), camera("b", &[], &[(20, None)])];
        assert_eq!(what(&setups, 10, 96, &[]), Some((0, 0, false)));
        assert_eq!(what(&setups, 11, 97, &[]), Some((0, 0, true)));
        assert_eq!(what(&setups, 20, 96, &[]), Some((1, 0, false)));
        // The payload type has to fit what the SSRC was declared for.
        assert_eq!(what(&setups, 11, 96, &[]), None);
        assert_eq!(what(&setups, 10, 97, &[]), None);
        assert_eq!(what(&setups, 10, 98, &[]), None);
        assert_eq!(what(&setups, 99, 96, &[]), None);
        assert_eq!(what(&setups, 99, 96, &[(1, "b")]), Some((1, 0, false)));
        assert_eq!(what(&setups, 99, 97, &[(1, "a")]), Some((0, 0, true)));
        assert_eq!(what(&setups, 99, 96, &[(1, "c")]), None);
    }

    #[test]
    fn a_layer_is_known_by_its_rid_alone() {
        let setups = [camera("a", &["q", "h"], &[(10, None)]), camera("b", &["l"], &[])];
        assert_eq!(what(&setups, 10, 96, &[]), None, "which layer it is, its SSRC does not say");
        assert_eq!(what(&setups, 1, 96, &[(1, "a"), (2, "h")]), Some((0, 1, false)));
        assert_eq!(what(&setups, 1, 97, &[(1, "a"), (3, "h")]), Some((0, 1, true)));
        assert_eq!(what(&setups, 1, 97, &[(1, "a"), (2, "q")]), Some((0, 0, true)));
        assert_eq!(what(&setups, 1, 96, &[(2, "l")]), Some((1, 0, false)));
        assert_eq!(what(&setups, 1, 96, &[(1, "a"), (3, "h")]), None, "media is not named as a repair");
        assert_eq!(what(&setups, 1, 96, &[(1, "b"), (2, "h")]), None);
        assert_eq!(what(&setups, 1, 96, &[(1, "a")]), None);
    }
}
