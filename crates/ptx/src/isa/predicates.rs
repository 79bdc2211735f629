//! Questions that need the table and the modifiers together.

use super::description::{Flow, Ordering, Work};
use super::{Class, MatrixShape, MmaKind, Mnemonic, Modifier, Opcode};
use crate::types::PtxType;
use warpbook_gpu::ElementType;

impl Opcode {
    /// The class of the instruction, its type and its state space considered.
    pub fn class(&self) -> Class {
        match self.description().work {
            Work::Is(class) => class,
            Work::Arithmetic => match self.ty() {
                Some(PtxType::F32) => Class::Single,
                Some(PtxType::F64) => Class::Double,
                Some(PtxType::F16 | PtxType::Bf16 | PtxType::F16x2 | PtxType::Bf16x2) => Class::Half,
                _ => Class::Integer,
            },
            work @ (Work::Load | Work::Store) => {
                let loads = work == Work::Load;
                let has = |is: fn(Modifier) -> bool| self.modifiers().any(is);
                match () {
                    () if has(|own| own.is_param() || own == Modifier::Const) => Class::Parameter,
                    () if self.has(Modifier::Local) => Class::Local,
                    () if has(Modifier::is_shared) && loads => Class::SharedLoad,
                    () if has(Modifier::is_shared) => Class::SharedStore,
                    () if self.has(Modifier::Global) && loads => Class::GlobalLoad,
                    () if self.has(Modifier::Global) => Class::GlobalStore,
                    () => Class::Generic,
                }
            }
        }
    }

    /// How the result depends on the operands, packed pairs considered.
    pub fn flow(&self) -> Flow {
        match self.description().flow {
            Flow::Mixed | Flow::Converted if self.has_packed_halves() => Flow::Halfwise,
            flow => flow,
        }
    }

    /// True if it names a type of two 16-bit values in a register.
    pub fn has_packed_halves(&self) -> bool {
        self.modifiers().any(|own| {
            matches!(
                own,
                Modifier::S16x2 | Modifier::U16x2 | Modifier::Type(PtxType::F16x2) | Modifier::Type(PtxType::Bf16x2)
            )
        })
    }

    /// Floating-point operations of one lane: a fused multiply-add is two, a packed pair twice as many; 0 for what is not
    /// addition or multiplication, as Nsight Compute counts.
    pub fn float_operations(&self) -> u64 {
        let each = match self.mnemonic() {
            Some(Mnemonic::Fma | Mnemonic::Mad) => 2,
            Some(Mnemonic::Add | Mnemonic::Sub | Mnemonic::Mul) => 1,
            _ => return 0,
        };
        match self.ty() {
            Some(PtxType::F16x2 | PtxType::Bf16x2) => 2 * each,
            Some(PtxType::F32 | PtxType::F64 | PtxType::F16 | PtxType::Bf16) => each,
            _ => 0,
        }
    }

    /// True for a load or a store that orders threads as an atomic does: it is volatile, or says how.
    pub fn is_strong_access(&self) -> bool {
        use Modifier::{Acquire, Mmio, Relaxed, Release, Volatile};
        self.description().ordering == Ordering::ByModifier
            && self.has_any(&[Volatile, Relaxed, Acquire, Release, Mmio])
    }

    /// True if all lanes of a warp have to execute it together, whatever its operands are.
    pub fn is_aligned(&self) -> bool {
        self.description().aligned || self.has(Modifier::Aligned)
    }

    /// True if it is for the two blocks of a pair.
    pub fn is_for_pair_of_blocks(&self) -> bool {
        self.has(Modifier::CtaGroup2)
    }

    /// True if it adds floating-point numbers in memory, in an order that nothing fixes.
    pub fn adds_floats_in_memory(&self) -> bool {
        use Mnemonic::{Atom, CpReduceAsyncBulk, CpReduceAsyncBulkTensor, MultimemRed, Red, RedAsync};
        let reduces = matches!(
            self.mnemonic(),
            Some(Atom | Red | RedAsync | MultimemRed | CpReduceAsyncBulk | CpReduceAsyncBulkTensor)
        );
        reduces && self.has(Modifier::Add) && self.types().any(PtxType::is_float)
    }

    /// True for a bulk copy out of shared memory into global memory: the destination is named first.
    pub fn is_bulk_store(&self) -> bool {
        let mut spaces = self.modifiers().filter(|own| own.is_shared() || *own == Modifier::Global);
        self.class() == Class::Bulk
            && spaces.next() == Some(Modifier::Global)
            && spaces.next().is_some_and(Modifier::is_shared)
    }

    /// True for what writes to memory by an address: `st`, `stmatrix` and their like.
    pub fn is_store(&self) -> bool {
        use Mnemonic::{MultimemSt, St, StAsync, StBulk, StMatrix};
        matches!(self.mnemonic(), Some(St | StAsync | StBulk | StMatrix | MultimemSt))
    }

    /// True for the loads and stores of matrices, which address rows.
    pub fn is_matrix_access(&self) -> bool {
        matches!(self.mnemonic(), Some(Mnemonic::LdMatrix | Mnemonic::StMatrix))
    }

    /// True for what ends the thread in an entry function.
    pub fn is_exit(&self) -> bool {
        matches!(self.mnemonic(), Some(Mnemonic::Exit | Mnemonic::Ret))
    }

    /// The extents of a matrix operation.
    pub fn matrix_shape(&self) -> Option<MatrixShape> {
        self.modifiers().find_map(|own| match own {
            Modifier::Shape(shape) => Some(shape),
            _ => None,
        })
    }

    /// What a product of matrices is made of, where `.kind::` says it.
    pub fn matrix_kind(&self) -> Option<MmaKind> {
        self.modifiers().find_map(|own| match own {
            Modifier::Kind(kind) => Some(kind),
            _ => None,
        })
    }

    /// Bits that an element of the operand matrices takes in registers and in memory. The types of a product are those
    /// of D, A, B and C in this order. `None` where the opcode does not say it (`tcgen05.mma` has a descriptor).
    pub fn matrix_element_bits(&self) -> Option<u32> {
        let mut types = self.modifiers().filter_map(|own| match own {
            Modifier::Type(ty) => ty.element().map(ElementType::bits),
            Modifier::S4 | Modifier::U4 => Some(4),
            // Narrow floats have bytes of their own, but for the products that take nothing else.
            Modifier::E2m1 if self.matrix_shape().and_then(|shape| shape.k).is_some_and(|k| k >= 64) => {
                Some(ElementType::E2m1.bits())
            }
            Modifier::E2m1 | Modifier::E2m3 | Modifier::E3m2 => Some(8),
            _ => None,
        });
        types.nth(1)
    }

    /// The name under which counts of instructions list it: `ld.global`, `mma.sync`, `add`.
    pub fn family(&self) -> String {
        use Mnemonic::{Atom, Fence, Ld, Mma, Red, Shfl, St};
        match (self.mnemonic(), self.words().first()) {
            (Some(Ld | St | Atom | Red | Mma | Shfl | Fence), Some(first)) => format!("{}.{first}", self.name()),
            _ => self.name().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_have_classes() {
        let expected = [
            ("add.s32", Class::Integer),
            ("mul.wide.s32", Class::Integer),
            ("fma.rn.f32", Class::Single),
            ("fma.rn.bf16x2", Class::Half),
            ("mad.lo.s32", Class::Integer),
            ("ex2.approx.ftz.f32", Class::Special),
            ("cvt.rn.f16x2.f32", Class::Conversion),
            ("ld.global.L1::evict_last.v4.b32", Class::GlobalLoad),
            ("ld.shared::cta.b32", Class::SharedLoad),
            ("ldmatrix.sync.aligned.m8n8.x4.shared.b16", Class::SharedLoad),
            ("ld.param.u64", Class::Parameter),
            ("st.v2.b32", Class::Generic),
            ("cp.async.cg.shared.global", Class::CopyAsync),
            ("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes", Class::Bulk),
            ("cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group", Class::Bulk),
            ("wgmma.wait_group.sync.aligned", Class::Tensor),
            ("bar.sync", Class::Barrier),
            ("mbarrier.try_wait.parity.shared.b64", Class::Mbarrier),
            ("fence.proxy.async", Class::Fence),
            ("bra.uni", Class::Branch),
            ("setp.lt.s32", Class::Compare),
            ("frobnicate.b32", Class::Other),
        ];
        for (opcode, class) in expected {
            assert_eq!(Opcode::parse(opcode).class(), class, "{opcode}");
        }
    }

    #[test]
    fn a_fused_multiply_add_is_two_operations() {
        let counted = ["fma.rn.f32", "fma.rn.f16x2", "add.f32", "max.f32", "mad.lo.s32"]
            .map(|opcode| Opcode::parse(opcode).float_operations());
        assert_eq!(counted, [2, 4, 1, 0, 0]);
    }

    #[test]
    fn packed_halves_flow_apart() {
        let flow = |opcode| Opcode::parse(opcode).flow();
        assert_eq!(flow("add.f16x2"), Flow::Halfwise);
        assert_eq!(flow("add.f32"), Flow::Mixed);
        assert_eq!(flow("and.b32"), Flow::Masked);
        assert_eq!(flow("prmt.b32"), Flow::Permuted);
        assert_eq!(flow("frobnicate.b32"), Flow::None);
    }

    #[test]
    fn strong_accesses_say_how() {
        let strong = |opcode| Opcode::parse(opcode).is_strong_access();
        assert!(strong("ld.acquire.gpu.global.b32") && strong("st.volatile.shared.b32"));
        assert!(!strong("ld.weak.global.b32") && !strong("ld.global.b32") && !strong("atom.acquire.add.u32"));
    }
}
