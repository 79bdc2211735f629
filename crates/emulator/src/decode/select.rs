//! From an opcode to what decodes it, in the room of its family.

use super::Decoder;
use super::modifiers::Modifiers;
use crate::families::integer::carry::Carry;
use crate::program::Op;
use warpbook_diagnostic::Result;
use warpbook_ptx::isa::{Mnemonic, Modifier};
use warpbook_ptx::{Instruction, PtxType};

/// The instructions of the table that are refused by name.
macro_rules! refused {
    () => {
        Mnemonic::Mul24
            | Mnemonic::Mad24
            | Mnemonic::Fns
            | Mnemonic::Slct
            | Mnemonic::CvtPack
            | Mnemonic::StAsync
            | Mnemonic::StBulk
            | Mnemonic::RedAsync
            | Mnemonic::MultimemLdReduce
            | Mnemonic::MultimemSt
            | Mnemonic::MultimemRed
            | Mnemonic::MbarrierPendingCount
            | Mnemonic::MmaSparse
            | Mnemonic::MovMatrix
            | Mnemonic::WgmmaMmaAsyncSparse
            | Mnemonic::Tcgen05Shift
            | Mnemonic::Tcgen05MmaSparse
            | Mnemonic::Tcgen05MmaWs
            | Mnemonic::Tcgen05MmaWsSparse
    };
}

/// True for an instruction that the emulator executes, at least in some of its forms.
pub fn implements(mnemonic: Mnemonic) -> bool {
    !matches!(mnemonic, refused!())
}

impl Decoder<'_> {
    /// Decodes one instruction into one or more operations. Every instruction of the table has its arm: a new row does
    /// not compile without one.
    pub(super) fn select(&mut self, instruction: &Instruction) -> Result<()> {
        use Mnemonic as M;
        let opcode = &*instruction.opcode;
        let Some(mnemonic) = opcode.mnemonic() else { return Err(self.unsupported_form()) };
        let mut m = Modifiers::new(opcode);
        let o = &instruction.operands[..];
        if let Some(carry) = Carry::take(mnemonic, &mut m) {
            self.with_carry(carry, &mut m, o)?;
            return self.all_taken(&m, instruction);
        }
        match mnemonic {
            M::Add
            | M::Sub
            | M::Mul
            | M::Div
            | M::Rem
            | M::Min
            | M::Max
            | M::And
            | M::Or
            | M::Xor
            | M::Shl
            | M::Shr => {
                self.binary(mnemonic, &mut m, o)?;
            }
            M::Fma | M::Mad => self.multiply_add(mnemonic, &mut m, o)?,
            M::Neg
            | M::Abs
            | M::Not
            | M::Cnot
            | M::Popc
            | M::Clz
            | M::Brev
            | M::Bfind
            | M::Ex2
            | M::Lg2
            | M::Rcp
            | M::Rsqrt
            | M::Sqrt
            | M::Sin
            | M::Cos
            | M::Tanh => self.unary(mnemonic, &mut m, o)?,
            M::Prmt => self.permute(&mut m, o)?,
            M::Shf => self.funnel_shift(&mut m, o)?,
            M::Lop3 => self.logic3(&mut m, o)?,
            M::Bfe => self.extract_field(&mut m, o)?,
            M::Bfi => self.insert_field(&mut m, o)?,
            M::Bmsk => self.mask_of_bits(&mut m, o)?,
            M::Sad => self.sum_of_difference(&mut m, o)?,
            M::Dp4a => self.dot4(&mut m, o)?,
            M::Dp2a => self.dot2(&mut m, o)?,
            M::CopySign => self.copy_sign(&mut m, o)?,
            M::Cvt => self.convert(&mut m, o)?,
            M::Mov => self.mov(&mut m, o)?,
            M::Setp => self.set_predicate(&mut m, o)?,
            M::Set => self.set_word(&mut m, o)?,
            M::Selp => self.select_by_predicate(&mut m, o)?,
            M::Testp => self.test(&mut m, o)?,

            M::Ld | M::Ldu => self.load(&mut m, o)?,
            M::St => self.store(&mut m, o)?,
            M::Atom | M::Red => self.atomic(mnemonic, &mut m, o)?,
            M::Cvta => self.convert_address(&mut m, o)?,
            M::Mapa => self.map_address(&mut m, o)?,
            M::GetCtaRank => self.rank_of(&mut m, o)?,
            M::Isspacep => self.is_space(&mut m, o)?,
            M::CreatePolicy => self.create_policy(&mut m, o)?,
            M::Prefetch | M::PrefetchU | M::ApplyPriority | M::Discard => {
                // Hints about caches, which are not modelled.
                self.emit(Op::Nothing);
                return Ok(());
            }
            M::CpAsync => self.copy_async(&mut m, o)?,
            M::CpAsyncCommitGroup => self.emit(Op::CopyCommit),
            M::CpAsyncMbarrierArrive => self.copy_arrive(&mut m, o)?,
            M::CpAsyncWaitGroup | M::CpAsyncWaitAll => self.copy_async_wait(mnemonic, o)?,

            M::CpAsyncBulk | M::CpAsyncBulkTensor | M::CpReduceAsyncBulk | M::CpReduceAsyncBulkTensor => {
                self.bulk_copy(mnemonic, &mut m, o)?;
            }
            M::CpAsyncBulkPrefetch | M::CpAsyncBulkPrefetchTensor => self.bulk_prefetch(&mut m),
            M::CpAsyncBulkCommitGroup => self.emit(Op::BulkCommit),
            M::CpAsyncBulkWaitGroup => self.bulk_wait(&mut m, o)?,
            M::TensormapReplace => self.replace_in_tensor_map(&mut m, o)?,
            M::TensormapCpFenceproxy => self.copy_tensor_map(&mut m, o)?,

            M::Shfl => self.shuffle(&mut m, o)?,
            M::Vote => self.vote(&mut m, o)?,
            M::Match => self.matching(&mut m, o)?,
            M::Redux => self.reduce(&mut m, o)?,
            M::Elect => self.elect(&mut m, o)?,
            M::ActiveMask => self.active_mask(&mut m, o)?,

            M::BarSync | M::BarrierSync => self.barrier(false, &mut m, o)?,
            M::BarArrive | M::BarrierArrive => self.barrier(true, &mut m, o)?,
            M::BarRed | M::BarrierRed => self.reducing_barrier(&mut m, o)?,
            M::BarWarp => self.warp_barrier(&mut m),
            M::BarrierClusterArrive => self.cluster_arrive(&mut m),
            M::BarrierClusterWait => self.cluster_wait(&mut m),
            M::Membar | M::Fence => self.fence(&mut m, o)?,

            M::MbarrierInit
            | M::MbarrierInval
            | M::MbarrierExpectTx
            | M::MbarrierCompleteTx
            | M::MbarrierArrive
            | M::MbarrierArriveDrop
            | M::MbarrierTestWait
            | M::MbarrierTryWait => self.mbarrier(mnemonic, &mut m, o)?,

            M::Mma => self.mma(&mut m, o)?,
            M::WmmaLoad | M::WmmaStore => self.wmma_memory(mnemonic, &mut m, o)?,
            M::WmmaMma => self.wmma_mma(&mut m, o)?,
            M::LdMatrix => self.load_matrix(&mut m, o)?,
            M::StMatrix => self.store_matrix(&mut m, o)?,
            M::WgmmaMmaAsync => self.mma_async(&mut m, o)?,
            M::WgmmaFence | M::WgmmaCommitGroup | M::WgmmaWaitGroup => self.wgmma_order(mnemonic, &mut m, o)?,
            M::Tcgen05Alloc
            | M::Tcgen05Dealloc
            | M::Tcgen05RelinquishAllocPermit
            | M::Tcgen05Ld
            | M::Tcgen05St
            | M::Tcgen05WaitLd
            | M::Tcgen05WaitSt
            | M::Tcgen05Mma
            | M::Tcgen05Cp
            | M::Tcgen05Commit
            | M::Tcgen05FenceBeforeThreadSync
            | M::Tcgen05FenceAfterThreadSync => self.tensor_memory(mnemonic, &mut m, o)?,

            M::Bra => self.branch_to_label(&mut m, o)?,
            M::BrxIdx => self.branch_by_index(&mut m, o)?,
            M::Ret => self.return_from_call(&mut m),
            M::Exit => self.emit(Op::Exit),
            M::Trap => self.emit(Op::Trap),
            M::Call => self.call(&mut m, o)?,
            M::Brkpt | M::PmEvent | M::NanoSleep => {
                m.take(Modifier::Type(PtxType::U32));
                self.emit(Op::Nothing);
            }
            // A grid begins when the one before it has ended.
            M::GridDepControlWait | M::GridDepControlLaunchDependents => self.emit(Op::Nothing),
            M::SetMaxNReg => self.set_most_registers(&mut m)?,

            // `Carry` has them.
            M::AddC | M::SubC | M::MadC => {}

            refused!() => return Err(self.unsupported_form()),
        }
        self.all_taken(&m, instruction)
    }

    /// Refuses a modifier that nothing has asked for.
    fn all_taken(&self, m: &Modifiers<'_>, instruction: &Instruction) -> Result<()> {
        match m.first_left() {
            None => Ok(()),
            Some(word) => Err(self.unsupported(format!("`.{word}` of `{}`", instruction.opcode))),
        }
    }
}
