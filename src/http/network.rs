//! `GET /api/v1/network`: from which network this request came.
//!
//! A page remembers which way its media took last, and a computer that is carried from school to school
//! has to remember it for each. A browser does not know its network; the server sees the address. Told is
//! the prefix alone (IPv4 /24, IPv6 /48), to whoever has it anyway.

use std::net::{IpAddr, SocketAddr};

use axum::{Extension, Json};
use serde::Serialize;

#[derive(Serialize)]
pub struct Network {
    network: String,
}

pub async fn tell(Extension(address): Extension<SocketAddr>) -> Json<Network> {
    Json(Network { network: prefix(address.ip()) })
}

fn prefix(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_have_one_network() {
        for (ip, expected) in [
            ("192.0.2.7", "192.0.2.0/24"),
            ("::ffff:192.0.2.200", "192.0.2.0/24"),
            ("2001:db8:7::1:2", "2001:db8:7::/48"),
        ] {
            assert_eq!(prefix(ip.parse().unwrap()), expected);
        }
    }
}
