//! RTCP on rtc-rtcp: what a peer tells us as plain values, what we tell a peer as a compound.
//!
//! Read: SR, RR, NACK, PLI, FIR, REMB, transport-wide feedback. Written: SR, RR, SDES, NACK, PLI, transport-wide feedback.
//! Everything else (XR, BYE, unknown) is skipped: liveness is ICE's and DTLS's business.

use bytes::{Bytes, BytesMut};
use rtc_rtcp::packet::{self, Packet};
use rtc_rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc_rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc_rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtc_rtcp::transport_feedbacks::transport_layer_cc::{
    PacketStatusChunk, RecvDelta, StatusChunkTypeTcc, StatusVectorChunk, SymbolSizeTypeTcc, SymbolTypeTcc,
    TransportLayerCc,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    TransportLayerNack, nack_pairs_from_sequence_numbers,
};

use super::twcc::TransportFeedback;

/// The name under which all streams of the server stand (RFC 3550 §6.5.1): one clock for all.
pub const CNAME: &str = "zhuandi";

/// One thing that a peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// `ntp`: 64-bit NTP format; `rtp`: the stream's clock at that instant.
    SenderReport {
        ssrc: u32,
        ntp: u64,
        rtp: u32,
    },
    /// About a stream of ours. `last_report` and `delay`: RFC 3550 §6.4.1 LSR and DLSR.
    Reception {
        ssrc: u32,
        fraction_lost: u8,
        total_lost: u32,
        last_report: u32,
        delay: u32,
    },
    Nack {
        ssrc: u32,
        sequence_numbers: Vec<u16>,
    },
    KeyFrameWanted {
        ssrc: u32,
    },
    /// Which packets of ours came.
    Deliveries(TransportFeedback),
    /// What the peer believes that its line carries, bits per second (draft-alvestrand-rmcat-remb-03).
    Estimate {
        bits: u64,
    },
}

/// Reads a decrypted compound packet; what is malformed in it says nothing.
pub fn read(plain: BytesMut, mut said: impl FnMut(Said)) {
    let mut rest = plain.freeze();
    while let Some(packet) = first_packet(&rest) {
        rest = rest.slice(packet.len()..);
        // Subscribers send feedback many times a second: it is read here, without the library.
        if TransportFeedback::is(&packet) {
            TransportFeedback::parse(packet).map(Said::Deliveries).into_iter().for_each(&mut said);
        } else {
            read_other(packet, &mut said);
        }
    }
}

fn read_other(mut packet: Bytes, mut said: impl FnMut(Said)) {
    let Ok(packets) = packet::unmarshal(&mut packet) else {
        return;
    };
    for p in &packets {
        let any = p.as_any();
        if let Some(sr) = any.downcast_ref::<SenderReport>() {
            said(Said::SenderReport { ssrc: sr.ssrc, ntp: sr.ntp_time, rtp: sr.rtp_time });
            sr.reports.iter().map(reception).for_each(&mut said);
        } else if let Some(rr) = any.downcast_ref::<ReceiverReport>() {
            rr.reports.iter().map(reception).for_each(&mut said);
        } else if let Some(nack) = any.downcast_ref::<TransportLayerNack>() {
            let sequence_numbers = nack.nacks.iter().flat_map(|n| n.packet_list()).collect();
            said(Said::Nack { ssrc: nack.media_ssrc, sequence_numbers });
        } else if let Some(pli) = any.downcast_ref::<PictureLossIndication>() {
            said(Said::KeyFrameWanted { ssrc: pli.media_ssrc });
        } else if let Some(remb) = any.downcast_ref::<ReceiverEstimatedMaximumBitrate>() {
            // A float out of the wire: what is no number becomes 0, what is too large the largest.
            said(Said::Estimate { bits: remb.bitrate as u64 });
        } else if let Some(fir) = any.downcast_ref::<FullIntraRequest>() {
            for entry in &fir.fir {
                said(Said::KeyFrameWanted { ssrc: entry.ssrc });
            }
        }
    }
}

/// The first packet of a compound (RFC 3550 §6.4.1: its length is in words, less one).
fn first_packet(compound: &Bytes) -> Option<Bytes> {
    let words = u16::from_be_bytes([*compound.get(2)?, *compound.get(3)?]);
    let length = 4 * (usize::from(words) + 1);
    (length <= compound.len()).then(|| compound.slice(..length))
}

fn reception(r: &ReceptionReport) -> Said {
    Said::Reception {
        ssrc: r.ssrc,
        fraction_lost: r.fraction_lost,
        total_lost: r.total_lost,
        last_report: r.last_sender_report,
        delay: r.delay,
    }
}

/// What we report about a stream that a peer sends (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, Default)]
pub struct ReceptionBlock {
    pub ssrc: u32,
    pub fraction_lost: u8,
    pub total_lost: u32,
    /// Extended highest sequence number.
    pub highest: u32,
    /// In units of the stream's clock.
    pub jitter: u32,
    pub last_report: u32,
    /// In 1/65536 s.
    pub delay: u32,
}

/// Collects packets of one compound.
#[derive(Default)]
pub struct Compound {
    packets: Vec<Box<dyn Packet>>,
}

impl Compound {
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub fn sender_report(&mut self, ssrc: u32, ntp: u64, rtp: u32, packets: u32, octets: u32) {
        self.packets.push(Box::new(SenderReport {
            ssrc,
            ntp_time: ntp,
            rtp_time: rtp,
            packet_count: packets,
            octet_count: octets,
            ..SenderReport::default()
        }));
        let text = Bytes::from_static(CNAME.as_bytes());
        let item = SourceDescriptionItem { sdes_type: SdesType::SdesCname, text };
        self.packets.push(Box::new(SourceDescription {
            chunks: vec![SourceDescriptionChunk { source: ssrc, items: vec![item] }],
        }));
    }

    pub fn receiver_report(&mut self, ours: u32, blocks: &[ReceptionBlock]) {
        // The block count is a 5-bit field.
        for chunk in blocks.chunks(31) {
            let reports = chunk.iter().map(|b| ReceptionReport {
                ssrc: b.ssrc,
                fraction_lost: b.fraction_lost,
                total_lost: b.total_lost,
                last_sequence_number: b.highest,
                jitter: b.jitter,
                last_sender_report: b.last_report,
                delay: b.delay,
            });
            self.packets.push(Box::new(ReceiverReport {
                ssrc: ours,
                reports: reports.collect(),
                ..ReceiverReport::default()
            }));
        }
    }

    pub fn picture_loss(&mut self, ours: u32, media: u32) {
        let pli = PictureLossIndication { sender_ssrc: ours, media_ssrc: media };
        self.packets.push(Box::new(pli));
    }

    /// `missing` in ascending order (modulo 2^16).
    pub fn nack(&mut self, ours: u32, media: u32, missing: &[u16]) {
        let nacks = nack_pairs_from_sequence_numbers(missing);
        let nack = TransportLayerNack { sender_ssrc: ours, media_ssrc: media, nacks };
        self.packets.push(Box::new(nack));
    }

    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    /// `arrivals[i]`: when packet `base + i` came, in µs on a clock of ours; not empty, and the
    /// first and the last are there.
    pub fn transport_feedback(
        &mut self,
        ours: u32,
        media: u32,
        number: u8,
        base: u16,
        arrivals: &[Option<u64>],
    ) {
        const TICK: u64 = 250;
        const REFERENCE: u64 = 64_000;
        let Some(first) = arrivals.iter().flatten().min() else {
            return;
        };
        let reference = first / REFERENCE;
        let mut last_tick = (reference * REFERENCE / TICK) as i64;
        let mut symbols = Vec::with_capacity(arrivals.len());
        let mut recv_deltas = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let Some(at) = arrival else {
                symbols.push(SymbolTypeTcc::PacketNotReceived);
                continue;
            };
            let tick = (at / TICK) as i64;
            // Beyond ±8 s the field cannot say it; the nearest it can is true enough.
            let delta = (tick - last_tick).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
            last_tick += delta;
            let type_tcc_packet = if (0..=255).contains(&delta) {
                SymbolTypeTcc::PacketReceivedSmallDelta
            } else {
                SymbolTypeTcc::PacketReceivedLargeDelta
            };
            symbols.push(type_tcc_packet);
            recv_deltas.push(RecvDelta { type_tcc_packet, delta: delta * TICK as i64 });
        }
        let chunk = |list: &[SymbolTypeTcc]| {
            PacketStatusChunk::StatusVectorChunk(StatusVectorChunk {
                type_tcc: StatusChunkTypeTcc::StatusVectorChunk,
                symbol_size: SymbolSizeTypeTcc::TwoBit,
                symbol_list: list.to_vec(),
            })
        };
        self.packets.push(Box::new(TransportLayerCc {
            sender_ssrc: ours,
            media_ssrc: media,
            base_sequence_number: base,
            packet_status_count: arrivals.len() as u16,
            reference_time: (reference & 0xff_ffff) as u32,
            fb_pkt_count: number,
            packet_chunks: symbols.chunks(7).map(chunk).collect(),
            recv_deltas,
        }));
    }

    /// The bytes, not yet encrypted; empty when there is nothing to say.
    #[must_use]
    pub fn finish(self) -> BytesMut {
        packet::marshal(&self.packets).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(c: Compound) -> Vec<Said> {
        let mut all = Vec::new();
        read(c.finish(), |s| all.push(s));
        all
    }

    #[test]
    fn reports_and_feedback_round_trip() {
        let mut c = Compound::default();
        c.sender_report(7, 1 << 40, 90_000, 10, 1000);
        let block = ReceptionBlock { ssrc: 9, fraction_lost: 12, ..ReceptionBlock::default() };
        c.receiver_report(1, &[block]);
        c.nack(1, 9, &[65_530, 65_531, 65_535, 3]);
        c.picture_loss(1, 9);
        let said = round_trip(c);
        assert_eq!(said[0], Said::SenderReport { ssrc: 7, ntp: 1 << 40, rtp: 90_000 });
        assert!(matches!(said[1], Said::Reception { ssrc: 9, fraction_lost: 12, .. }));
        let numbers = vec![65_530, 65_531, 65_535, 3];
        assert_eq!(said[2], Said::Nack { ssrc: 9, sequence_numbers: numbers });
        assert_eq!(said[3], Said::KeyFrameWanted { ssrc: 9 });
    }

    #[test]
    fn feedback_tells_arrivals_and_gaps() {
        let arrivals = [Some(1_000_000u64), None, Some(1_000_500), Some(1_900_000), Some(1_899_000)];
        let mut c = Compound::default();
        c.transport_feedback(1, 2, 3, 65_534, &arrivals);
        let bytes = c.finish();
        let parsed = packet::unmarshal(&mut bytes.freeze()).unwrap();
        let tcc = parsed[0].as_any().downcast_ref::<TransportLayerCc>().unwrap();
        assert_eq!((tcc.base_sequence_number, tcc.packet_status_count), (65_534, 5));
        assert_eq!(tcc.reference_time, 15);
        let at: Vec<i64> = tcc
            .recv_deltas
            .iter()
            .scan(15 * 64_000, |t, d| {
                *t += d.delta;
                Some(*t)
            })
            .collect();
        assert_eq!(at, [1_000_000, 1_000_500, 1_900_000, 1_899_000]);
    }

    #[test]
    fn an_estimate_is_read_whatever_it_says() {
        let remb = |exponent_and_mantissa: [u8; 3]| {
            let [a, b, c] = exponent_and_mantissa;
            let head =
                [0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, a, b, c, 0, 0, 0, 9];
            let mut all = Vec::new();
            read(BytesMut::from(&head[..]), |s| all.push(s));
            all
        };
        assert_eq!(remb([0x0b, 0xbf, 0x40]), [Said::Estimate { bits: 245_568 << 2 }]);
        assert!(matches!(remb([0xff, 0xff, 0xff])[..], [Said::Estimate { bits: 1_000_000_000_000.. }]));
    }

    #[test]
    fn garbage_says_nothing() {
        for bytes in [&b""[..], &[0x80], &[0x81, 201, 0, 9, 0], &[0xff; 64]] {
            let mut c = 0;
            read(BytesMut::from(bytes), |_| c += 1);
            assert_eq!(c, 0);
        }
    }

    #[test]
    fn many_blocks_are_split_and_every_part_of_a_block_is_told() {
        let blocks: Vec<ReceptionBlock> = (0..40)
            .map(|ssrc| ReceptionBlock {
                ssrc,
                fraction_lost: 1,
                total_lost: 2,
                highest: 3,
                jitter: 4,
                last_report: 5,
                delay: 6,
            })
            .collect();
        let mut c = Compound::default();
        c.receiver_report(9, &blocks);
        let parsed = packet::unmarshal(&mut c.finish().freeze()).unwrap();
        let reports: Vec<&ReceiverReport> =
            parsed.iter().map(|p| p.as_any().downcast_ref::<ReceiverReport>().unwrap()).collect();
        assert_eq!(reports.iter().map(|r| r.reports.len()).collect::<Vec<_>>(), [31, 9]);
        assert!(reports.iter().all(|r| r.ssrc == 9));
        let last = &reports[1].reports[8];
        assert_eq!((last.ssrc, last.fraction_lost, last.total_lost), (39, 1, 2));
        assert_eq!((last.last_sequence_number, last.jitter), (3, 4));
        assert_eq!((last.last_sender_report, last.delay), (5, 6));
        let mut c = Compound::default();
        c.receiver_report(9, &blocks[..1]);
        let expected = Said::Reception { ssrc: 0, fraction_lost: 1, total_lost: 2, last_report: 5, delay: 6 };
        assert_eq!(round_trip(c), [expected]);
    }

    #[test]
    fn blocks_in_sender_reports_and_full_intra_requests_count() {
        use rtc_rtcp::payload_feedbacks::full_intra_request::FirEntry;
        let report = ReceptionReport { ssrc: 4, fraction_lost: 9, ..ReceptionReport::default() };
        let sr = SenderReport { ssrc: 3, reports: vec![report], ..SenderReport::default() };
        let entry = |ssrc| FirEntry { ssrc, sequence_number: 1 };
        let fir = FullIntraRequest { sender_ssrc: 1, media_ssrc: 0, fir: vec![entry(5), entry(6)] };
        let said = round_trip(Compound { packets: vec![Box::new(sr), Box::new(fir)] });
        assert_eq!(said.len(), 4);
        assert!(matches!(said[1], Said::Reception { ssrc: 4, fraction_lost: 9, .. }));
        assert_eq!(said[2..], [Said::KeyFrameWanted { ssrc: 5 }, Said::KeyFrameWanted { ssrc: 6 }]);
    }

    #[test]
    fn our_sender_reports_carry_counts_and_a_name() {
        let mut c = Compound::default();
        c.sender_report(7, 1 << 40, 90_000, 10, 1000);
        let parsed = packet::unmarshal(&mut c.finish().freeze()).unwrap();
        let sr = parsed[0].as_any().downcast_ref::<SenderReport>().unwrap();
        assert_eq!((sr.packet_count, sr.octet_count), (10, 1000));
        let sdes = parsed[1].as_any().downcast_ref::<SourceDescription>().unwrap();
        assert_eq!((sdes.chunks[0].source, &sdes.chunks[0].items[0].text[..]), (7, CNAME.as_bytes()));
    }

    #[test]
    fn feedback_says_what_its_fields_can_say() {
        // 12 days after the start the 24 bits of the reference go round; 20 s apart is beyond a
        // delta; 10 packets need a second chunk.
        let start = 64_000 * ((1 << 24) + 5) + 1_000;
        let mut arrivals = vec![Some(start), Some(start + 20_000_000), None];
        arrivals.extend((0..7).map(|n| Some(start + 20_000_250 + n * 250)));
        let mut c = Compound::default();
        c.transport_feedback(1, 2, 200, 10, &arrivals);
        let parsed = packet::unmarshal(&mut c.finish().freeze()).unwrap();
        let tcc = parsed[0].as_any().downcast_ref::<TransportLayerCc>().unwrap();
        assert_eq!((tcc.reference_time, tcc.fb_pkt_count, tcc.packet_status_count), (5, 200, 10));
        assert_eq!((tcc.sender_ssrc, tcc.media_ssrc), (1, 2));
        let symbols: Vec<SymbolTypeTcc> = tcc
            .packet_chunks
            .iter()
            .flat_map(|c| match c {
                PacketStatusChunk::StatusVectorChunk(v) => v.symbol_list.clone(),
                PacketStatusChunk::RunLengthChunk(_) => Vec::new(),
            })
            .collect();
        assert_eq!(symbols[2], SymbolTypeTcc::PacketNotReceived);
        assert_eq!(symbols[..10].iter().filter(|s| **s == SymbolTypeTcc::PacketNotReceived).count(), 1);
        assert_eq!(tcc.packet_chunks.len(), 2);
        let deltas: Vec<i64> = tcc.recv_deltas.iter().map(|d| d.delta).collect();
        assert_eq!(deltas[..3], [1_000, 8_191_750, 8_191_750], "the nearest that can be said");
    }
}
