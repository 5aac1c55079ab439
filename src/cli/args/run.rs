//! Arguments of `run`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;

#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Run {
    /// Serve /healthz, /readyz and /metrics there, such as 9187 (on loopback) or 0.0.0.0:9187; port 0
    /// takes a free one. Without it nothing listens
    #[arg(long, value_name = "ADDR", env = "BEADLE_LISTEN", value_parser = parse_listen)]
    pub(in crate::cli) listen: Option<SocketAddr>,
}

/// A port alone is one of loopback.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok(SocketAddr::from((IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
    }
    let text = text.replace("localhost:", "127.0.0.1:");
    text.parse()
        .map_err(|_| "write a port such as 9187, or an address such as 0.0.0.0:9187".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        let listen = |text| parse_listen(text).map(|addr| addr.to_string());
        assert_eq!(listen("9187").as_deref(), Ok("127.0.0.1:9187"));
        assert_eq!(listen(":0").as_deref(), Ok("127.0.0.1:0"));
        assert_eq!(listen("localhost:80").as_deref(), Ok("127.0.0.1:80"));
        assert_eq!(listen("0.0.0.0:80").as_deref(), Ok("0.0.0.0:80"));
        assert_eq!(listen("[::1]:80").as_deref(), Ok("[::1]:80"));
        for wrong in ["", "70000", "example.com:80", "127.0.0.1", "::1"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }
}
