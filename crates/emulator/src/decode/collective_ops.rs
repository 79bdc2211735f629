//! What lanes, warps and blocks do together: shuffles, votes, reductions, barriers, fences.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::program::{BarrierReduction, MemorySpace, Op, Reduction, Shuffle};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::Modifier;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(super) fn shuffle(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        m.take(Modifier::Type(PtxType::B32));
        let mode = m.take_map(|own| {
            Some(match own {
                Modifier::Up => Shuffle::Up,
                Modifier::Down => Shuffle::Down,
                Modifier::Bfly => Shuffle::Butterfly,
                Modifier::Idx => Shuffle::Index,
                _ => return None,
            })
        });
        let mode = mode.ok_or_else(|| self.malformed("`shfl` has no mode"))?;
        let (a, b, c) = (self.word(o, 1)?, self.word(o, 2)?, self.word(o, 3)?);
        let (d, in_range) = match self.operand(o, 0)? {
            Operand::Pair(first, second) => {
                let pair = [(**first).clone(), (**second).clone()];
                (self.word_out(&pair, 0)?, Some(self.predicate_out(&pair, 1)?))
            }
            _ => (self.word_out(o, 0)?, None),
        };
        self.emit(Op::Shuffle { mode, d, in_range, a, b, c });
        Ok(())
    }

    pub(super) fn vote(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        m.take_type();
        let p = self.predicate(o, 1)?;
        let op = match m.take_any(&[Modifier::All, Modifier::Any, Modifier::Uni, Modifier::Ballot]) {
            Some(Modifier::All) => Op::VoteAll { d: self.predicate_out(o, 0)?, p },
            Some(Modifier::Any) => Op::VoteAny { d: self.predicate_out(o, 0)?, p },
            Some(Modifier::Uni) => Op::VoteUniform { d: self.predicate_out(o, 0)?, p },
            Some(_) => Op::Ballot { d: self.word_out(o, 0)?, p },
            None => return Err(self.malformed("`vote` has no mode")),
        };
        self.emit(op);
        Ok(())
    }

    pub(super) fn matching(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        let size = self.take_type(m)?.size();
        let operand = self.operand(o, 1)?;
        let a = self.data(operand, size)?;
        if m.take(Modifier::Any) {
            let d = self.word_out(o, 0)?;
            self.emit(Op::MatchAny { d, a });
            return Ok(());
        }
        m.take(Modifier::All);
        let (d, p) = match self.operand(o, 0)? {
            Operand::Pair(first, second) => {
                let pair = [(**first).clone(), (**second).clone()];
                (self.word_out(&pair, 0)?, Some(self.predicate_out(&pair, 1)?))
            }
            _ => (self.word_out(o, 0)?, None),
        };
        self.emit(Op::MatchAll { d, p, a });
        Ok(())
    }

    pub(super) fn reduce(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        let ty = self.take_type(m)?;
        let (float, signed) = (ty == PtxType::F32, ty.is_signed());
        let op = m.take_map(|own| {
            Some(match own {
                // The smaller of two f32 is the one that is no NaN; -0 is smaller than +0.
                Modifier::Min if float => Reduction::MinFloat,
                Modifier::Max if float => Reduction::MaxFloat,
                _ if float => return None,
                Modifier::Add => Reduction::Add,
                Modifier::Min if signed => Reduction::MinSigned,
                Modifier::Max if signed => Reduction::MaxSigned,
                Modifier::Min => Reduction::MinUnsigned,
                Modifier::Max => Reduction::MaxUnsigned,
                Modifier::And => Reduction::And,
                Modifier::Or => Reduction::Or,
                Modifier::Xor => Reduction::Xor,
                _ => return None,
            })
        });
        let op = op.ok_or_else(|| self.unsupported_form())?;
        let a = self.word(o, 1)?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::Reduce { op, d, a });
        Ok(())
    }

    pub(super) fn elect(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Sync);
        let Operand::Pair(first, second) = self.operand(o, 0)? else {
            return Err(self.malformed("`elect.sync` has two destinations"));
        };
        let pair = [(**first).clone(), (**second).clone()];
        let d = if pair[0] == Operand::Sink { None } else { Some(self.word_out(&pair, 0)?) };
        let p = self.predicate_out(&pair, 1)?;
        self.emit(Op::Elect { d, p });
        Ok(())
    }

    /// `bar.sync`, `bar.arrive` and their like of `barrier`.
    pub(super) fn barrier(&mut self, arrive: bool, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Aligned);
        let id = self.word(o, 0)?;
        let threads = if o.len() > 1 { Some(self.word(o, 1)?) } else { None };
        self.emit(Op::Barrier { id, threads, arrive, reduction: None });
        Ok(())
    }

    /// `bar.red`, `barrier.red`.
    pub(super) fn reducing_barrier(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take(Modifier::Aligned);
        m.take_type();
        let (kind, d) = match m.take_any(&[Modifier::And, Modifier::Or, Modifier::Popc]) {
            Some(Modifier::And) => (BarrierReduction::And, self.predicate_out(o, 0)?),
            Some(Modifier::Or) => (BarrierReduction::Or, self.predicate_out(o, 0)?),
            Some(_) => (BarrierReduction::Count, self.word_out(o, 0)?),
            None => return Err(self.malformed("the reduction of a barrier has no operation")),
        };
        let id = self.word(o, 1)?;
        let threads = if o.len() > 3 { Some(self.word(o, 2)?) } else { None };
        let p = self.predicate(o, o.len() - 1)?;
        self.emit(Op::Barrier { id, threads, arrive: false, reduction: Some((kind, d, p)) });
        Ok(())
    }

    /// One block's accesses are in order here, and blocks see each other's at once: only a proxy fence is noted.
    pub(super) fn fence(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let acquires = m.has(Modifier::Acquire);
        m.take_all(&[
            Modifier::Sc,
            Modifier::AcqRel,
            Modifier::Acquire,
            Modifier::Release,
            Modifier::Cta,
            Modifier::Cluster,
            Modifier::Gpu,
            Modifier::Sys,
            Modifier::Gl,
            Modifier::Level,
        ]);
        let (mut of_proxy, mut of_maps) = (false, false);
        if m.take(Modifier::Proxy) {
            of_proxy = m.take(Modifier::Async);
            of_maps = m.take(Modifier::TensormapGeneric);
            m.take_all(&[
                Modifier::Alias,
                Modifier::SharedCta,
                Modifier::SharedCluster,
                Modifier::Shared,
                Modifier::Global,
            ]);
        }
        m.take(Modifier::MbarrierInit);
        let op = match (of_proxy, of_maps) {
            (true, _) => Op::ProxyFence,
            (_, true) if acquires => {
                let (_, address) = self.address(o.first(), MemorySpace::Generic)?;
                Op::MapFence { acquire: Some(address) }
            }
            (_, true) => Op::MapFence { acquire: None },
            _ => Op::Nothing,
        };
        self.emit(op);
        Ok(())
    }
}
