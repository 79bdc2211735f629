//! What a store of tiles writes behind the rows of its tensor, up to the next 16 bytes: bytes of others, and bytes that the
//! kernel uses otherwise.

use super::Sanitizer;
use super::finding::{Edge, Rule};
use crate::state::access::{Area, Issuer};

impl Sanitizer<'_> {
    /// A store of tiles is about to write `edge`, behind the bytes of a row; `same` is true if that changes nothing.
    pub(super) fn edge_written(&mut self, issuer: Issuer, row: Area, edge: Area, same: bool) {
        let checks = self.checks;
        let memory = checks.memory;
        let own = memory.find(row.address, 1).map(|allocation| (allocation.address, &allocation.label));
        let mut bytes = edge.address..edge.address + u64::from(edge.size);
        let outside = bytes.find(|&at| memory.find(at, 1).map(|found| found.address) != own.map(|(own, _)| own));
        if let Some(at) = outside {
            let place = || match own.filter(|_| memory.find(at, 1).is_none()) {
                Some((first, label)) => format!("byte {} from the beginning of {label}, behind its end", at - first),
                None => memory.describe(at),
            };
            self.report(Rule::StoreEdge(Edge::Elsewhere), issuer, None, place);
            return;
        }
        let block = self.shape.linear_index;
        let used = checks.shadow().write_edge(block, edge.address, edge.size, issuer.pc, !same);
        if let Some(other) = used {
            let place = || memory.describe(edge.address);
            self.report(Rule::StoreEdge(Edge::Used { other }), issuer, None, place);
        }
    }
}
