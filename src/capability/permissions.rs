//! What a loaded plugin may do: what it requested and was granted.

use std::net::IpAddr;

use super::network::NetworkPattern;
use super::pattern::Pattern;
use super::{Capability, CapabilityKind, Grants, Target};

/// What a loaded plugin may do. Made once; looked at by every host call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permissions {
    /// Bits of the kinds that were requested and granted.
    kinds: u32,
    requested: Vec<Capability>,
    granted: Vec<Capability>,
}

impl Permissions {
    pub(crate) fn new(requested: &[Capability], grants: &Grants) -> Self {
        let granted = grants.capabilities();
        let has = |list: &[Capability], kind| list.iter().any(|other| other.kind() == kind);
        let both = |kind: &CapabilityKind| has(requested, *kind) && has(granted, *kind);
        let kinds = CapabilityKind::ALL.into_iter().filter(both);
        Self {
            kinds: kinds.fold(0, |bits, kind| bits | kind.bit()),
            requested: requested.to_vec(),
            granted: granted.to_vec(),
        }
    }

    /// Whether anything of this kind is allowed.
    #[inline]
    pub(crate) fn allows(&self, kind: CapabilityKind) -> bool {
        self.kinds & kind.bit() != 0
    }

    /// Whether anything is allowed that may take long.
    pub(crate) fn may_block(&self) -> bool {
        CapabilityKind::ALL
            .into_iter()
            .any(|kind| kind.is_blocking() && self.allows(kind))
    }

    /// Whether this name or path is allowed.
    pub(crate) fn allows_name(&self, kind: CapabilityKind, name: &str) -> bool {
        self.allows(kind)
            && [&self.requested, &self.granted]
                .into_iter()
                .all(|list| named(list, kind).any(|pattern| pattern.matches(name)))
    }

    /// Whether this host may be asked for at this port, by the name or address that it is given.
    pub(crate) fn allows_host(&self, kind: CapabilityKind, host: &str, port: u16) -> bool {
        self.allows(kind)
            && [&self.requested, &self.granted]
                .into_iter()
                .all(|list| network(list, kind).any(|pattern| pattern.matches_host(host, port)))
    }

    /// Whether the operator granted this address as an address, so that it may be connected to although it is not public.
    pub(crate) fn allows_address(&self, kind: CapabilityKind, address: IpAddr, port: u16) -> bool {
        network(&self.granted, kind).any(|pattern| pattern.matches_address(address, port))
    }

    /// The patterns of a kind that were requested, if anything of this kind is allowed. All of them were granted: no plugin is loaded
    /// that lacks one.
    pub(crate) fn patterns(&self, kind: CapabilityKind) -> impl Iterator<Item = &str> {
        let requested = self.allows(kind).then(|| named(&self.requested, kind));
        requested.into_iter().flatten().map(Pattern::text)
    }
}

fn named(list: &[Capability], kind: CapabilityKind) -> impl Iterator<Item = &Pattern> {
    list.iter()
        .filter_map(move |capability| match &capability.target {
            Target::Named(pattern) if capability.kind == kind => Some(pattern),
            _ => None,
        })
}

fn network(list: &[Capability], kind: CapabilityKind) -> impl Iterator<Item = &NetworkPattern> {
    list.iter()
        .filter_map(move |capability| match &capability.target {
            Target::Network(pattern) if capability.kind == kind => Some(pattern),
            _ => None,
        })
}
