//! Frames and kept registers of functions that call themselves. PTX ISA 7, "Abstracting the ABI".

use super::step::{LaneFailure, Step, at_lane};
use crate::decode::STACK_BYTES;
use crate::fault::Fault;
use crate::instrument::Instrument;
use crate::program::{File, Slot};
use crate::state::warp::lanes_of;

impl<I: Instrument> Step<'_, '_, I> {
    pub(super) fn first_frame(&mut self, d: Slot) {
        let offset = self.environment.program.stack_offset;
        self.set_word(d, &[offset; 32]);
    }

    pub(super) fn check_stack(&mut self, stack: Slot, bytes: u32) -> Result<(), LaneFailure> {
        let end = self.environment.program.stack_offset + STACK_BYTES;
        for lane in lanes_of(self.active) {
            if self.word(stack)[lane].saturating_add(bytes) > end {
                return Err(at_lane(lane)(Fault::Stack { bytes: STACK_BYTES }));
            }
        }
        Ok(())
    }

    pub(super) fn enter_frame(&mut self, base: Slot, [stack, next]: [Slot; 2], bytes: u32) -> Result<(), LaneFailure> {
        self.check_stack(stack, bytes)?;
        let begin = *self.word(stack);
        self.set_word(base, &begin);
        self.set_word(next, &begin.map(|begin| begin.wrapping_add(bytes)));
        Ok(())
    }

    pub(super) fn keep_for_call(&mut self, site: u32, saved: &[(File, Slot)]) {
        for lane in lanes_of(self.active) {
            for &(file, slot) in saved {
                let value = match file {
                    File::Word => self.word(slot)[lane].into(),
                    File::Long => self.long(slot)[lane],
                    File::Predicate => u64::from(self.warp.predicates[slot as usize] >> lane & 1),
                };
                self.warp.call_stack[lane].push(value);
            }
            self.warp.call_stack[lane].push(site.into());
        }
    }

    pub(super) fn restore_after_call(&mut self, saved: &[(File, Slot)]) {
        for lane in lanes_of(self.active) {
            self.warp.call_stack[lane].pop();
            for &(file, slot) in saved.iter().rev() {
                let value = self.warp.call_stack[lane].pop().unwrap_or_default();
                match file {
                    File::Word => self.warp.words[slot as usize][lane] = value as u32,
                    File::Long => self.warp.longs[slot as usize][lane] = value,
                    File::Predicate => {
                        self.warp.write_predicate(slot, (value as u32) << lane, 1 << lane);
                    }
                }
            }
        }
    }

    pub(super) fn return_site(&mut self, d: Slot) {
        let mut sites = [0; 32];
        for lane in lanes_of(self.active) {
            sites[lane] = self.warp.call_stack[lane].last().copied().unwrap_or_default() as u32;
        }
        self.set_word(d, &sites);
    }
}
