//! `mbarrier.*`: operands and modifiers.

use crate::decode::Decoder;
use crate::decode::modifiers::Modifiers;
use crate::lanes::lanes;
use crate::program::{Data, File, MbarrierArrival, MemorySpace, Op, Word};
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Operand, PtxType};

impl Decoder<'_> {
    /// Decodes the instruction `mbarrier.*`.
    pub(crate) fn mbarrier(&mut self, mnemonic: Mnemonic, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        use Mnemonic as M;
        m.take(Modifier::Type(PtxType::B64));
        m.take_all(&[
            Modifier::Cta,
            Modifier::Cluster,
            Modifier::Release,
            Modifier::Acquire,
            Modifier::Relaxed,
            Modifier::SharedCta,
            Modifier::Shared,
        ]);
        let remote =
            matches!(mnemonic, M::MbarrierArrive | M::MbarrierArriveDrop | M::MbarrierExpectTx | M::MbarrierCompleteTx);
        let space = match remote && m.take(Modifier::SharedCluster) {
            true => MemorySpace::Cluster,
            false => MemorySpace::Shared,
        };
        match mnemonic {
            M::MbarrierInit => {
                let address = self.shared_address(o.first())?;
                let count = self.word(o, 1)?;
                self.emit(Op::MbarrierInit { address, count });
            }
            M::MbarrierInval => {
                let address = self.shared_address(o.first())?;
                self.emit(Op::MbarrierInvalidate { address });
            }
            M::MbarrierExpectTx | M::MbarrierCompleteTx => {
                let address = self.shared_address(o.first())?;
                let mut bytes = self.word(o, 1)?;
                if mnemonic == M::MbarrierCompleteTx {
                    let negated = self.fresh(File::Word);
                    self.emit(Op::Unary32(lanes!(Word; |a: Word| a.wrapping_neg()), negated, bytes));
                    bytes = negated;
                }
                let arrival = MbarrierArrival { space, address, arrivals: None, drop: false, bytes: Some(bytes) };
                self.emit(Op::MbarrierArrive { arrival, d: None });
            }
            M::MbarrierArrive | M::MbarrierArriveDrop => {
                self.arrive_at_mbarrier(mnemonic == M::MbarrierArriveDrop, space, m, o)?;
            }
            M::MbarrierTryWait | M::MbarrierTestWait => {
                let parity = m.take(Modifier::Parity);
                let address = self.shared_address(o.get(1))?;
                let phase = if parity { Data::Word(self.word(o, 2)?) } else { Data::Long(self.long(o, 2)?) };
                let d = self.predicate_out(o, 0)?;
                self.emit(Op::MbarrierWait { d, address, phase });
            }
            _ => return Err(self.unsupported_form()),
        }
        Ok(())
    }

    /// Decodes the instructions `mbarrier.arrive` and `mbarrier.arrive_drop`.
    fn arrive_at_mbarrier(
        &mut self,
        drop: bool,
        space: MemorySpace,
        m: &mut Modifiers<'_>,
        o: &[Operand],
    ) -> Result<()> {
        let expects = m.take(Modifier::ExpectTx);
        // To complete the phase all the same is undefined.
        m.take(Modifier::NoComplete);
        let has_state = !matches!(o.first(), Some(Operand::Address(_)));
        let rest = if has_state { o.get(1..).unwrap_or_default() } else { o };
        let address = self.shared_address(rest.first())?;
        let (arrivals, bytes) = match (expects, rest.len()) {
            (true, _) => (self.word_constant(1), Some(self.word(rest, 1)?)),
            (false, 1) => (self.word_constant(1), None),
            (false, _) => (self.word(rest, 1)?, None),
        };
        let d = match o.first() {
            Some(Operand::Name(_)) if space == MemorySpace::Cluster => {
                return Err(self.malformed("an arrival at another block's mbarrier gives no state: `_`"));
            }
            Some(Operand::Name(_)) => Some(self.long_out(o, 0)?),
            _ => None,
        };
        let arrival = MbarrierArrival { space, address, arrivals: Some(arrivals), drop, bytes };
        self.emit(Op::MbarrierArrive { arrival, d });
        Ok(())
    }
}
