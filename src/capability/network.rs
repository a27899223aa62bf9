//! Patterns of hosts and ports: `api.example.com:443`, `*.example.com:*`, `10.0.0.0/8:8000-8099`, `[::1]:80,443`.
//!
//! A name is allowed by a pattern of names. An address that is not public is allowed only by a pattern of addresses, whatever name
//! it was reached by.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::pattern::Pattern;

/// Hosts and ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct NetworkPattern {
    hosts: Hosts,
    /// Ranges, both ends included.
    ports: Vec<(u16, u16)>,
    ports_text: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Hosts {
    /// Names, in lower case.
    Names(Pattern),
    /// One address or more.
    Addresses(IpNet),
}

impl NetworkPattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (host, ports_text) = match text.strip_prefix('[') {
            Some(rest) => rest
                .split_once("]:")
                .ok_or("an IPv6 address stands in brackets, a port behind them: `[::1]:443`")?,
            None => text
                .rsplit_once(':')
                .ok_or("the port is missing; write `host:443`, or `host:*` for every port")?,
        };
        // A dot alone is no name, and what is left of it none either.
        if host.trim_end_matches('.').is_empty() {
            return Err("the host is missing; write `host:443`".to_owned());
        }
        let hosts = if let Ok(net) = host.parse::<IpNet>() {
            if matches!(net, IpNet::V6(net) if net.addr().to_ipv4_mapped().is_some()) {
                return Err(format!(
                    "`{host}` is a range of IPv4 addresses in IPv6 form; write it as IPv4, such as `10.0.0.0/8`"
                ));
            }
            Hosts::Addresses(net.trunc())
        } else if let Ok(address) = host.parse::<IpAddr>() {
            Hosts::Addresses(IpNet::from(address.to_canonical()))
        } else {
            if host.contains(['/', ':', '@', ' ', '%', '\\']) {
                return Err(format!(
                    "`{host}` is neither a host's name nor an address nor a range of addresses such as `10.0.0.0/8`"
                ));
            }
            if !host.is_ascii() {
                return Err(format!(
                    "`{host}` has letters beyond ASCII; write the name as it is in the DNS, such as `xn--bcher-kva.example`"
                ));
            }
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            Hosts::Names(Pattern::name(&name)?)
        };
        Ok(Self {
            hosts,
            ports: ports(ports_text)?,
            ports_text: ports_text.to_owned(),
        })
    }

    /// Whether this host, as a plugin names it, may be asked for at this port.
    pub(super) fn matches_host(&self, host: &str, port: u16) -> bool {
        let address = || host.trim_matches(['[', ']']).parse().ok();
        self.has_port(port)
            && match &self.hosts {
                Hosts::Names(pattern) => {
                    pattern.matches(&host.trim_end_matches('.').to_ascii_lowercase())
                }
                Hosts::Addresses(net) => {
                    address().is_some_and(|ip: IpAddr| net.contains(&ip.to_canonical()))
                }
            }
    }

    /// Whether this address is one that the pattern names as an address.
    pub(super) fn matches_address(&self, address: IpAddr, port: u16) -> bool {
        self.has_port(port)
            && matches!(&self.hosts, Hosts::Addresses(net) if net.contains(&address.to_canonical()))
    }

    pub(super) fn covers(&self, other: &Self) -> bool {
        let hosts = match (&self.hosts, &other.hosts) {
            (Hosts::Names(own), Hosts::Names(other)) => own.covers(other),
            (Hosts::Addresses(own), Hosts::Addresses(other)) => own.contains(other),
            _ => false,
        };
        let has_ports =
            |(first, last): &(u16, u16)| (*first..=*last).all(|port| self.has_port(port));
        hosts && other.ports.iter().all(has_ports)
    }

    fn has_port(&self, port: u16) -> bool {
        self.ports
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&port))
    }
}

/// `443`, `80,443`, `8000-8099`, `*`.
fn ports(text: &str) -> Result<Vec<(u16, u16)>, String> {
    if text == "*" {
        return Ok(vec![(0, u16::MAX)]);
    }
    let number = |text: &str| -> Result<u16, String> {
        text.parse().map_err(|_| {
            format!("`{text}` is not a port; write `443`, `80,443`, `8000-8099` or `*`")
        })
    };
    text.split(',')
        .map(|part| match part.split_once('-') {
            Some((first, last)) => match (number(first)?, number(last)?) {
                (first, last) if first <= last => Ok((first, last)),
                (first, last) => Err(format!(
                    "the range of ports `{first}-{last}` is empty; write the smaller one first"
                )),
            },
            None => number(part).map(|port| (port, port)),
        })
        .collect()
}

impl fmt::Display for NetworkPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::Names(pattern) => write!(f, "{pattern}")?,
            Hosts::Addresses(net) => {
                let full = net.prefix_len() == net.max_prefix_len();
                let text = match full {
                    true => net.addr().to_string(),
                    false => net.to_string(),
                };
                match net {
                    IpNet::V4(_) => f.write_str(&text)?,
                    IpNet::V6(_) => write!(f, "[{text}]")?,
                }
            }
        }
        write!(f, ":{}", self.ports_text)
    }
}
