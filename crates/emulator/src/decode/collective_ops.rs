//! What lanes, warps and blocks do together: shuffles, votes, reductions, barriers, fences.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::program::{BarrierReduction, MemorySpace, Op, Reduction, Shuffle};
use warpbook_diagnostic::Result;
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    pub(super) fn shuffle(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("sync");
        m.take("b32");
        let mode = match m.take_any(&["up", "down", "bfly", "idx"]) {
            Some("up") => Shuffle::Up,
            Some("down") => Shuffle::Down,
            Some("bfly") => Shuffle::Butterfly,
            Some("idx") => Shuffle::Index,
            _ => return Err(self.malformed("`shfl` has no mode")),
        };
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
        m.take("sync");
        m.take_type();
        let p = self.predicate(o, 1)?;
        let op = match m.take_any(&["all", "any", "uni", "ballot"]) {
            Some("all") => Op::VoteAll { d: self.predicate_out(o, 0)?, p },
            Some("any") => Op::VoteAny { d: self.predicate_out(o, 0)?, p },
            Some("uni") => Op::VoteUniform { d: self.predicate_out(o, 0)?, p },
            _ => Op::Ballot { d: self.word_out(o, 0)?, p },
        };
        self.emit(op);
        Ok(())
    }

    pub(super) fn matching(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("sync");
        let size = self.take_type(m)?.size();
        let operand = self.operand(o, 1)?;
        let a = self.data(operand, size)?;
        if m.take("any") {
            let d = self.word_out(o, 0)?;
            self.emit(Op::MatchAny { d, a });
            return Ok(());
        }
        m.take("all");
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
        m.take("sync");
        let ty = self.take_type(m)?;
        let op = match (m.take_any(&["add", "min", "max", "and", "or", "xor"]), ty) {
            // The smaller of two f32 is the one that is no NaN; -0 is smaller than +0.
            (Some("min"), PtxType::F32) => Reduction::MinFloat,
            (Some("max"), PtxType::F32) => Reduction::MaxFloat,
            (Some(other), PtxType::F32) => return Err(self.unsupported(format!("`redux.sync.{other}.f32`"))),
            (Some("add"), _) => Reduction::Add,
            (Some("min"), _) if ty.is_signed() => Reduction::MinSigned,
            (Some("max"), _) if ty.is_signed() => Reduction::MaxSigned,
            (Some("min"), _) => Reduction::MinUnsigned,
            (Some("max"), _) => Reduction::MaxUnsigned,
            (Some("and"), _) => Reduction::And,
            (Some("or"), _) => Reduction::Or,
            (Some("xor"), _) => Reduction::Xor,
            _ => return Err(self.malformed("`redux` has no operation")),
        };
        let a = self.word(o, 1)?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::Reduce { op, d, a });
        Ok(())
    }

    pub(super) fn elect(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("sync");
        let Operand::Pair(first, second) = self.operand(o, 0)? else {
            return Err(self.malformed("`elect.sync` has two destinations"));
        };
        let pair = [(**first).clone(), (**second).clone()];
        let d = if pair[0] == Operand::Sink { None } else { Some(self.word_out(&pair, 0)?) };
        let p = self.predicate_out(&pair, 1)?;
        self.emit(Op::Elect { d, p });
        Ok(())
    }

    pub(super) fn barrier(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        if name == "barrier" && m.take("cluster") {
            m.take("aligned");
            let op = if m.take("arrive") {
                m.take_any(&["release", "relaxed"]);
                Op::ClusterArrive
            } else if m.take("wait") {
                m.take("acquire");
                Op::ClusterWait
            } else {
                return Err(self.malformed("`barrier.cluster` has no operation"));
            };
            self.emit(op);
            return Ok(());
        }
        m.take("cta");
        m.take("aligned");
        if m.take("warp") {
            m.take("sync");
            self.emit(Op::WarpSync);
            return Ok(());
        }
        if m.take("red") {
            m.take_type();
            let (kind, d) = match m.take_any(&["and", "or", "popc"]) {
                Some("and") => (BarrierReduction::And, self.predicate_out(o, 0)?),
                Some("or") => (BarrierReduction::Or, self.predicate_out(o, 0)?),
                _ => (BarrierReduction::Count, self.word_out(o, 0)?),
            };
            let id = self.word(o, 1)?;
            let threads = if o.len() > 3 { Some(self.word(o, 2)?) } else { None };
            let p = self.predicate(o, o.len() - 1)?;
            self.emit(Op::Barrier { id, threads, arrive: false, reduction: Some((kind, d, p)) });
            return Ok(());
        }
        let arrive = m.take("arrive");
        if !arrive {
            m.take("sync");
        }
        let id = self.word(o, 0)?;
        let threads = if o.len() > 1 { Some(self.word(o, 1)?) } else { None };
        self.emit(Op::Barrier { id, threads, arrive, reduction: None });
        Ok(())
    }

    /// One block's accesses are in order here, and blocks see each other's at once: only a proxy fence is noted.
    pub(super) fn fence(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let acquires = m.has("acquire");
        while m
            .take_any(&["sc", "acq_rel", "acquire", "release", "cta", "cluster", "gpu", "sys", "gl", "level"])
            .is_some()
        {}
        let (mut of_proxy, mut of_maps) = (false, false);
        if m.take("proxy") {
            let known = ["async", "tensormap::generic", "alias", "shared::cta", "shared::cluster", "shared", "global"];
            while let Some(word) = m.take_any(&known) {
                of_proxy |= word == "async";
                of_maps |= word == "tensormap::generic";
            }
        }
        m.take("mbarrier_init");
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
