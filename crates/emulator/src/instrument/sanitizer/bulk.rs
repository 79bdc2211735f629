//! Bulk loads: their bytes are the asynchronous proxy's until the phase of the mbarrier has ended in which they came.

use super::clock::NEVER;
use super::finding::Rule;
use super::incoming::Incoming;
use super::{Cell, Overlap, Sanitizer};
use crate::instrument::{MBARRIER_BYTES, Object};
use crate::state::access::Issuer;

impl Sanitizer<'_> {
    /// A bulk load is issued.
    pub fn load_issued(&mut self, issuer: Issuer, mbarrier: u64, at: usize, size: usize) {
        self.read_shared(issuer, mbarrier as usize, MBARRIER_BYTES as usize);
        self.undefined.set_shared(at, size, 0, None);
        self.with_clock(issuer.warp, |this, clock| this.check_write(issuer, clock, at, size, Overlap::default()));
        let agent = self.phases(Object::Mbarrier(mbarrier)).agent;
        self.note_write(at, size, Cell { writer: agent as u16, generic: false, ..Cell::written_by(issuer, NEVER) });
        self.incoming.push(Incoming { issuer, agent, event: NEVER });
    }

    /// A bulk load of another block of the cluster is issued, to this block's memory and mbarrier.
    pub fn load_issued_by_peer(&mut self, pc: u32, mbarrier: u64, at: usize, size: usize) {
        self.undefined.set_shared(at, size, 0, None);
        let agent = self.phases(Object::Mbarrier(mbarrier)).agent;
        self.note_write(at, size, Cell::written_by_agent(agent as u16, NEVER, pc));
    }

    /// The bytes of a bulk load have come: whoever waits for the phase of the mbarrier that is going on knows of them.
    pub fn load_landed(&mut self, issuer: Issuer, mbarrier: u64, at: usize, size: usize) {
        let phases = self.phases(Object::Mbarrier(mbarrier));
        phases.last_arrival = Some(issuer.pc);
        let (agent, event) = (phases.agent, phases.ended + 1);
        let end = (at + size).min(self.cells.len());
        for cell in self.cells.get_mut(at..end).unwrap_or_default() {
            if (usize::from(cell.writer), cell.event, cell.pc) == (agent, NEVER, issuer.pc) {
                cell.event = event;
            }
        }
        let is_it = |load: &&mut Incoming| {
            (load.agent, load.event, load.issuer.warp, load.issuer.pc) == (agent, NEVER, issuer.warp, issuer.pc)
        };
        if let Some(load) = self.incoming.iter_mut().find(is_it) {
            load.event = event;
        }
    }

    /// A warp has waited for the last phase of an mbarrier.
    pub fn loads_awaited(&mut self, mbarrier: u64) {
        let phases = self.phases(Object::Mbarrier(mbarrier));
        let (agent, ended) = (phases.agent, phases.ended);
        self.incoming.retain(|load| load.agent != agent || load.event > ended);
    }

    /// The block has ended: loads that have come, and that no warp has waited for. The run reports those under way.
    pub fn loads_left(&mut self) {
        for load in std::mem::take(&mut self.incoming) {
            if load.event != NEVER && !self.found.contains_key(&(Rule::Unwaited, load.issuer.pc)) {
                self.report(Rule::Unwaited, load.issuer, None, String::new);
            }
        }
    }
}
