//! `fence` and `membar`: orders of accesses. PTX ISA 9.7.13.4.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::program::{MemorySpace, Op};
use warpbook_diagnostic::Result;
use warpbook_ptx::Operand;
use warpbook_ptx::isa::Modifier;

impl Decoder<'_> {
    /// One block's accesses are in order here, and blocks see each other's at once: only a proxy fence is noted.
    pub(crate) fn fence(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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
