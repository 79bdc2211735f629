//! `tcgen05.mma`, `.cp` and `.commit`: a thread tells the tensor core what to do, which it does in that order, while the
//! warps go on. PTX ISA 9.7.16.
//!
//! With `.cta_group::2` it works for a pair of blocks, whose ranks in the cluster differ in the last bit: each has half of
//! the rows of A and D, and half of the columns of B.
//!
//! It is late: when every warp waits, what stands before the oldest commit is carried out, and the commit tells its
//! mbarrier. So a kernel that does not wait finds in tensor memory what was there before, and one that writes an operand
//! too early spoils it.

use crate::arithmetic::product::{Accumulator, Element, Mma, Plane};
use crate::arithmetic::scaled::{ScaleType, ScaledDot, Small};
use crate::descriptor::instruction::{Description, element, small};
use crate::descriptor::matrix::Matrix;
use crate::families::step::Step;
use crate::fault::{Cause, Fault, Unsupported};
use crate::instrument::{Instrument, MBARRIER_BYTES, Misuse, Operation};
use crate::program::{MemorySpace, Op, TensorCommit, TensorCopy, TensorMma, TensorSource};
use crate::state::access::{Area, Issuer};
use crate::state::address::{OFFSET_MASK, SHARED_WINDOW, named_block};
use crate::state::block::BlockState;
use crate::state::block_memory::BlockMemory;
use crate::state::cluster::Cluster;
use crate::state::environment::{Arithmetic, Environment};
use crate::state::pending::{MmaOperands, TensorTask, TensorWork};
use crate::state::tensor_memory::{Cells, TOGETHER, TensorMemory, TensorUse, not_allocated};
use crate::state::warp::lanes_of;
use warpbook_ptx::isa::MmaKind;

/// One side of the product: rows (of A) or columns (of B), and where they lie.
#[derive(Clone, Copy)]
struct Side {
    name: &'static str,
    place: SidePlace,
    mn_major: bool,
    /// Bits of an fp6 or fp4 element, where sixteen lie in sixteen bytes.
    packed: Option<usize>,
    count: usize,
    issuer: Issuer,
    /// The operation's number, where its reads are reported; 0 otherwise.
    number: u64,
}

#[derive(Clone, Copy)]
enum SidePlace {
    Shared(u64),
    /// The address; rows have lanes as D has them.
    Tensor(u32, Description),
}

/// Cells of these lanes, and of so many columns.
fn cells_of(lanes: impl Iterator<Item = u32>, first: u32, count: u32) -> Vec<Cells> {
    let mut groups: Vec<u32> = lanes.map(|lane| lane / TOGETHER).collect();
    groups.sort_unstable();
    groups.dedup();
    let cells = |column| groups.iter().map(move |&group| Cells { column, group });
    (first..first.saturating_add(count)).flat_map(cells).collect()
}

/// TensorTask a `tcgen05.mma` touches in tensor memory; nothing where it will be refused.
fn touched_by_mma(mma: &TensorMma, operands: &MmaOperands) -> Vec<(TensorUse, Vec<Cells>)> {
    let Ok(description) = Description::decode(operands.description, mma.scaled.is_some(), mma.pair) else {
        return Vec::new();
    };
    let split = |address: u32| (address >> 16, address & 0xffff);
    let rows = |lane: u32| (0..description.m).map(move |row| lane + description.cell(row, 0).0);
    let mut touched = Vec::new();
    if matches!(mma.a, TensorSource::Tensor(_)) {
        let (lane, column) = split(operands.a as u32);
        // 32 bytes of a row, whatever its elements.
        touched.push((TensorUse::Operand, cells_of(rows(lane), column, 8)));
    }
    if mma.scales.is_some() {
        for (address, count) in operands.scales.into_iter().zip([description.m, description.n]) {
            let (lane, column) = split(address);
            touched.push((TensorUse::Operand, cells_of(lane..lane + 32, column, count.div_ceil(32) as u32)));
        }
    }
    touched.push((TensorUse::Sum { add: operands.add }, sum_cells(&description, operands.d)));
    touched
}

/// The cells of D in a block.
fn sum_cells(description: &Description, d: u32) -> Vec<Cells> {
    let ends = [0, description.n - 1];
    let lanes = (0..description.m).flat_map(|row| ends.map(|column| (d >> 16) + description.cell(row, column).0));
    cells_of(lanes, d & 0xffff, description.columns())
}

/// TensorTask a `tcgen05.cp` writes.
fn touched_by_copy(copy: &TensorCopy, address: u32) -> Vec<(TensorUse, Vec<Cells>)> {
    let (lane, column) = (address >> 16, address & 0xffff);
    let lanes = copy.copies.iter().flat_map(|first| (0..copy.rows).map(move |row| lane + first + row));
    vec![(TensorUse::Copy, cells_of(lanes, column, copy.bits / 32))]
}

/// The types of A and B.
#[derive(Clone, Copy)]
enum Elements {
    /// Types whose products ordinary steps add.
    Whole(Element, Element),
    /// fp4, fp6, and whatever has scales.
    Small(Small, Small),
}

/// A `tcgen05.mma` that is carried out.
#[derive(Clone, Copy)]
struct Product<'a> {
    environment: &'a Environment<'a>,
    mma: &'a TensorMma,
    operands: &'a MmaOperands,
    work: &'a TensorWork,
    description: Description,
    elements: Elements,
    /// Words of a row of A, and bytes of its elements.
    words: usize,
    size: u64,
}

impl<'a> Product<'a> {
    fn new(
        environment: &'a Environment<'a>,
        mma: &'a TensorMma,
        operands: &'a MmaOperands,
        work: &'a TensorWork,
    ) -> Result<Self, Cause> {
        let description = Description::decode(operands.description, mma.scaled.is_some(), mma.pair)?;
        let alone = mma.kind.is_fp4_alone();
        let (elements, words, size) = match (element(mma.kind, description.a), element(mma.kind, description.b)) {
            (Some(x), Some(y)) if mma.scaled.is_none() => (Elements::Whole(x, y), 8, 4 / x.per_register() as u64),
            _ if !matches!(mma.kind, MmaKind::F8f6f4 | MmaKind::Mxf8f6f4) && !alone => {
                return Err(Unsupported("these element types of a `tcgen05.mma`".to_owned()).into());
            }
            _ if alone => (Elements::Small(Small::E2m1, Small::E2m1), 8, 1),
            _ => (Elements::Small(small(mma.kind, description.a)?, small(mma.kind, description.b)?), 8, 1),
        };
        if let Elements::Small(x, _) = elements {
            if description.negate != [false; 2] || description.d != 1 {
                let what = "signs or f16 sums of a `tcgen05.mma` of fp6 or fp4";
                return Err(Unsupported(what.to_owned()).into());
            }
            if alone && description.mn_major != [false; 2] {
                // PTX ISA 9.7.16.2.1: the kinds of fp4 alone have K-major operands only.
                return Err(Unsupported("MN-major operands of a `tcgen05.mma` of fp4 alone".to_owned()).into());
            }
            if x.bits() < 8 && !alone && matches!(mma.a, TensorSource::Tensor(_)) {
                let what = "fp6 or fp4 in tensor memory as A of a `tcgen05.mma`";
                return Err(Unsupported(what.to_owned()).into());
            }
        }
        Ok(Self { environment, mma, operands, work, description, elements, words, size })
    }

    /// A's rows of a block; `own` for the block of the thread, whose accesses are checked.
    fn a(&self, own: bool) -> Result<Side, Cause> {
        let place = match self.mma.a {
            TensorSource::Shared(_) => SidePlace::Shared(self.operands.a),
            TensorSource::Tensor(_) if self.description.pair && self.description.m == 64 => {
                let what = "A in tensor memory of a `tcgen05.mma` of 128 rows in a pair of blocks";
                return Err(Unsupported(what.to_owned()).into());
            }
            TensorSource::Tensor(_) => SidePlace::Tensor(self.operands.a as u32, self.description),
        };
        Ok(self.side("`tcgen05.mma` read of A", place, 0, self.description.m, own))
    }

    /// B's columns of a block.
    fn b(&self, own: bool) -> Side {
        let count = self.description.n / self.description.blocks();
        let place = SidePlace::Shared(self.operands.b);
        self.side("`tcgen05.mma` read of B", place, 1, count, own)
    }

    /// `index` is 0 for A, 1 for B.
    fn side(&self, name: &'static str, place: SidePlace, index: usize, count: usize, own: bool) -> Side {
        let number = if own { self.work.number } else { 0 };
        let packed = match self.elements {
            Elements::Small(x, y) if !self.mma.kind.is_fp4_alone() => {
                Some([x, y][index].bits() as usize).filter(|&bits| bits < 8)
            }
            _ => None,
        };
        Side {
            name,
            place,
            mn_major: self.description.mn_major[index],
            packed,
            count,
            issuer: self.work.issuer(),
            number,
        }
    }
}

/// Ranks of the blocks that an instruction works for: its thread's, or both of the pair.
fn blocks_of(rank: u32, pair: bool) -> std::ops::RangeInclusive<u32> {
    if pair { rank & !1..=rank | 1 } else { rank..=rank }
}

impl TensorWork {
    fn issuer(&self) -> Issuer {
        Issuer { warp: self.thread / 32, lane: self.thread % 32, pc: self.pc }
    }
}

impl TensorMma {
    /// Operations of one with this description: a multiply and an add are two.
    pub(crate) fn operations(&self, description: u32) -> u64 {
        let found = Description::decode(description, self.scaled.is_some(), self.pair);
        found.map_or(0, |found| 2 * (found.blocks() * found.m * found.n * self.kind.k()) as u64)
    }
}

impl<I: Instrument> Step<'_, '_, I> {
    /// Gives the tensor core something to do.
    fn enqueue(&mut self, lane: usize, what: TensorTask) {
        let number = self.block.memory.number_operation();
        let touched = if self.is_watched() { self.touched_by(&what) } else { Vec::new() };
        self.block.instrument.issued(self.issuer(lane), &Operation::TensorCore { number, touched: &touched });
        let work = TensorWork { pc: self.pc, thread: self.thread(lane), what, number };
        self.block.memory.tensor_work.push_back(work);
    }

    /// What the tensor core will touch in tensor memory.
    fn touched_by(&self, what: &TensorTask) -> Vec<(TensorUse, Vec<Cells>)> {
        let op = self.environment.program.code.get(self.pc as usize).map(|instruction| &instruction.op);
        match (what, op) {
            (TensorTask::Multiply(operands), Some(Op::TensorMma(mma))) => touched_by_mma(mma, operands),
            (TensorTask::Copy { address, .. }, Some(Op::TensorCopy(copy))) => touched_by_copy(copy, *address),
            _ => Vec::new(),
        }
    }

    pub(in crate::families) fn issue_tensor_mma(&mut self, mma: &TensorMma) {
        for lane in lanes_of(self.active) {
            let at = |address| self.addresses(address)[lane];
            let operands = MmaOperands {
                d: at(&mma.d) as u32,
                a: match &mma.a {
                    TensorSource::Shared(slot) => self.warp.longs[*slot as usize][lane],
                    TensorSource::Tensor(address) => at(address),
                },
                b: self.warp.longs[mma.b as usize][lane],
                description: self.word(mma.description)[lane],
                scales: mma.scales.as_ref().map_or([0; 2], |scales| [at(&scales[0]) as u32, at(&scales[1]) as u32]),
                add: mma.add.is_none_or(|slot| self.warp.predicates[slot as usize] >> lane & 1 != 0),
            };
            self.enqueue(lane, TensorTask::Multiply(operands));
        }
    }

    pub(in crate::families) fn issue_tensor_copy(&mut self, copy: &TensorCopy) {
        for lane in lanes_of(self.active) {
            let address = self.addresses(&copy.address)[lane] as u32;
            let descriptor = self.warp.longs[copy.descriptor as usize][lane];
            self.enqueue(lane, TensorTask::Copy { address, descriptor });
        }
    }

    pub(in crate::families) fn issue_tensor_commit(&mut self, commit: &TensorCommit) {
        for lane in lanes_of(self.active) {
            // A generic address, or one of shared memory as it is.
            let address = self.addresses(&commit.address)[lane];
            let mbarrier = if address >= SHARED_WINDOW { address - SHARED_WINDOW } else { address };
            let ranks = commit.multicast.map(|mask| self.word(mask)[lane] & 0xffff);
            self.block.instrument.read(self.issuer(lane), Area::shared(mbarrier as usize, MBARRIER_BYTES));
            self.enqueue(lane, TensorTask::Commit { mbarrier, ranks });
        }
    }
}

impl<I: Instrument> BlockState<I> {
    /// Everything up to the oldest commit, and that; thread and instruction of what was last, and how it ended. `None` if
    /// nobody can be told of anything.
    pub(crate) fn finish_tensor_work(
        &mut self,
        environment: &Environment<'_>,
        cluster: &mut Cluster<I>,
    ) -> Option<(u32, u32, Result<(), Cause>)> {
        if !self.memory.tensor_work.iter().any(|work| matches!(work.what, TensorTask::Commit { .. })) {
            return None;
        }
        let mut last = None;
        while let Some(work) = self.memory.tensor_work.pop_front() {
            let is_commit = matches!(work.what, TensorTask::Commit { .. });
            // Commits with nothing between them wait for the same.
            if !is_commit && last.is_some() {
                self.memory.tensor_work.push_front(work);
                break;
            }
            let outcome = self.do_tensor_work(environment, cluster, &work);
            self.instrument.landed(work.issuer(), &Operation::Numbered(work.number));
            if outcome.is_err() {
                return Some((work.thread, work.pc, outcome));
            }
            if is_commit {
                last = Some((work.thread, work.pc, outcome));
            }
        }
        last
    }

    /// In a checked launch, when the block has ended: what the tensor core still has to read is not there any more.
    pub(crate) fn check_tensor_work(&mut self, environment: &Environment<'_>, cluster: &mut Cluster<I>) {
        for work in self.do_all_tensor_work(environment, cluster) {
            if !matches!(work.what, TensorTask::Commit { .. }) {
                self.instrument.misused(work.issuer(), Misuse::Unwaited);
            }
        }
    }

    /// In a checked launch, before tensor memory goes: what the tensor core still has to do reads its operands now, so that
    /// it shows which of them were overwritten too early. Returns what was done.
    pub(in crate::families) fn do_all_tensor_work(
        &mut self,
        environment: &Environment<'_>,
        cluster: &mut Cluster<I>,
    ) -> Vec<TensorWork> {
        if !self.instrument.wants_accesses() {
            return Vec::new();
        }
        let all: Vec<TensorWork> = std::mem::take(&mut self.memory.tensor_work).into();
        for work in &all {
            // How it ends does not matter: nobody waits for it.
            let _ = self.do_tensor_work(environment, cluster, work);
            self.instrument.landed(work.issuer(), &Operation::Numbered(work.number));
        }
        all
    }

    fn do_tensor_work(
        &mut self,
        environment: &Environment<'_>,
        cluster: &mut Cluster<I>,
        work: &TensorWork,
    ) -> Result<(), Cause> {
        match (&work.what, environment.program.code.get(work.pc as usize).map(|instruction| &instruction.op)) {
            (TensorTask::Multiply(operands), Some(Op::TensorMma(mma))) => {
                let product = Product::new(environment, mma, operands, work)?;
                self.multiply(cluster, &product)
            }
            (TensorTask::Copy { address, descriptor }, Some(Op::TensorCopy(copy))) => {
                // Each block of a pair copies from its own shared memory.
                let own = self.memory.rank;
                for rank in blocks_of(own, copy.pair) {
                    let number = if rank == own { work.number } else { 0 };
                    let block = self.member(cluster, rank)?;
                    if rank != own && block.instrument.wants_accesses() {
                        let cells = touched_by_copy(copy, *address).into_iter().flat_map(|(_, cells)| cells);
                        block.instrument.tensor_written_by_peer(&cells.collect::<Vec<_>>());
                    }
                    block.with_tensor(|block, tensor| {
                        block.copy_to_tensor(tensor, copy, (*address, *descriptor), work.issuer(), number)
                    })?;
                }
                Ok(())
            }
            (TensorTask::Commit { mbarrier, ranks }, _) => {
                let own = self.memory.rank;
                let named = named_block(MemorySpace::Cluster, *mbarrier).checked_sub(1).unwrap_or(own);
                let at = mbarrier & OFFSET_MASK;
                for rank in lanes_of(ranks.unwrap_or(1 << named)) {
                    if rank as u32 == own {
                        let operation = Operation::Commit { number: work.number, mbarrier: at };
                        self.instrument.landed(work.issuer(), &operation);
                    }
                    self.member(cluster, rank as u32)?.arrive_once(at)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes tensor memory out meanwhile, so that shared memory can be read.
    fn with_tensor<T>(
        &mut self,
        work: impl FnOnce(&mut Self, &mut TensorMemory) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let mut tensor = self.memory.tensor.take().ok_or_else(not_allocated)?;
        let outcome = work(self, &mut tensor);
        self.memory.tensor = Some(tensor);
        outcome
    }

    /// Bytes of shared memory that an operand has, in a checked launch noted as read.
    fn operand_bytes<const N: usize>(&mut self, side: &Side, address: u64) -> Result<[u8; N], Cause> {
        let found = self.memory.shared.get(address as usize..).and_then(|rest| rest.first_chunk::<N>()).copied();
        let Some(bytes) = found else {
            let size = N as u32;
            return Err(Fault::OutOfBounds { access: side.name, space: "shared", address, size, near: None }.into());
        };
        self.memory.shared_touched = self.memory.shared_touched.max(address + N as u64);
        if side.number != 0 {
            let area = Area::shared(address as usize, N as u32);
            self.instrument.operation_reads(side.issuer, side.number, area);
        }
        Ok(bytes)
    }

    /// Every row of a side, in words along k, as registers hold them: `size` bytes an element.
    fn words(&mut self, tensor: &TensorMemory, side: &Side, words: usize, size: u64) -> Result<Vec<u32>, Cause> {
        let mut all = Vec::with_capacity(side.count * words);
        match side.place {
            SidePlace::Tensor(address, description) => {
                tensor.check(side.name, address, words as u32)?;
                let (lane, column) = (address >> 16, address & 0xffff);
                for row in 0..side.count {
                    let lane = lane + description.cell(row, 0).0;
                    all.extend((0..words as u32).map(|word| tensor.cell(lane, column + word)));
                }
            }
            SidePlace::Shared(descriptor) => {
                let matrix =
                    Matrix::from_tcgen05(descriptor, side.mn_major).map_err(|what| Unsupported(what.to_owned()))?;
                let per = 4 / size;
                if let Some(bits) = side.packed.filter(|_| side.mn_major) {
                    for row in 0..side.count {
                        let row = self.packed_row(side, &matrix, row, bits, 4 * words)?;
                        all.extend(row.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)));
                    }
                    return Ok(all);
                }
                for row in 0..side.count as u64 {
                    for word in 0..words as u64 {
                        let mut value = 0;
                        if !side.mn_major || size == 4 {
                            let address = matrix.address(row, word * per, size);
                            value = u32::from_le_bytes(self.operand_bytes(side, address)?);
                        } else {
                            for index in 0..per {
                                let address = matrix.address(row, word * per + index, size);
                                let element = if size == 2 {
                                    u16::from_le_bytes(self.operand_bytes(side, address)?).into()
                                } else {
                                    let [byte] = self.operand_bytes(side, address)?;
                                    u32::from(byte)
                                };
                                value |= element << (8 * size * index);
                            }
                        }
                        all.push(value);
                    }
                }
            }
        }
        Ok(all)
    }

    /// A row of `k` elements of `bits` bits that lie MN-major, sixteen of neighbouring rows in sixteen bytes: as they would
    /// lie K-major, sixteen along k in sixteen bytes.
    fn packed_row(
        &mut self,
        side: &Side,
        matrix: &Matrix,
        row: usize,
        bits: usize,
        k: usize,
    ) -> Result<Vec<u8>, Cause> {
        let (first, shift) = packed_place(row, bits);
        let mut packed = vec![0; k + 1];
        for element in 0..k {
            let mut pair = 0u32;
            for (index, byte) in (first..).take((shift + bits).div_ceil(8)).enumerate() {
                let [byte] = self.operand_bytes(side, matrix.address(byte as u64, element as u64, 1))?;
                pair |= u32::from(byte) << (8 * index);
            }
            let (to, up) = packed_place(element, bits);
            let code = (pair >> shift & ((1 << bits) - 1)) << up;
            packed[to] |= code as u8;
            packed[to + 1] |= (code >> 8) as u8;
        }
        packed.truncate(k);
        Ok(packed)
    }

    fn multiply(&mut self, cluster: &mut Cluster<I>, product: &Product<'_>) -> Result<(), Cause> {
        let ranks = blocks_of(self.memory.rank, product.description.pair);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for rank in ranks.clone() {
            let side = product.a(rank == self.memory.rank)?;
            let block = self.member(cluster, rank)?;
            left.push(block.with_tensor(|block, tensor| block.words(tensor, &side, product.words, product.size))?);
        }
        for rank in ranks.clone() {
            let side = product.b(rank == self.memory.rank);
            let block = self.member(cluster, rank)?;
            right.extend(block.with_tensor(|block, tensor| block.words(tensor, &side, product.words, product.size))?);
        }
        for (rank, left) in ranks.zip(left) {
            let own = rank == self.memory.rank;
            self.member(cluster, rank)?.with_tensor(|block, tensor| {
                let columns = product.description.columns();
                tensor.check("`tcgen05.mma` accumulator access", product.operands.d, columns)?;
                if !own && block.instrument.wants_accesses() {
                    block.instrument.tensor_written_by_peer(&sum_cells(&product.description, product.operands.d));
                }
                match product.elements {
                    Elements::Whole(x, y) => block.memory.multiply_whole(tensor, product, (x, y), left, right.clone()),
                    Elements::Small(x, y) => multiply_small(tensor, product, (x, y), &left, &right),
                }
            })?;
        }
        Ok(())
    }

    fn copy_to_tensor(
        &mut self,
        tensor: &mut TensorMemory,
        copy: &TensorCopy,
        (address, descriptor): (u32, u64),
        issuer: Issuer,
        number: u64,
    ) -> Result<(), Cause> {
        let matrix = Matrix::from_tcgen05(descriptor, false).map_err(|what| Unsupported(what.to_owned()))?;
        let side = Side {
            name: "`tcgen05.cp` read",
            place: SidePlace::Shared(descriptor),
            mn_major: false,
            packed: None,
            count: copy.rows as usize,
            issuer,
            number,
        };
        tensor.check("`tcgen05.cp` write", address, copy.bits / 32)?;
        let (lane, column) = (address >> 16, address & 0xffff);
        for row in 0..copy.rows {
            for word in 0..copy.bits / 32 {
                let at = matrix.byte(row.into(), u64::from(4 * word));
                let value = u32::from_le_bytes(self.operand_bytes(&side, at)?);
                for first in copy.copies {
                    tensor.put(lane + first + row, column + word, value);
                }
            }
        }
        Ok(())
    }
}

impl BlockMemory {
    /// By the steps of `mma.sync`: 16 rows, 8 columns.
    fn multiply_whole(
        &mut self,
        tensor: &mut TensorMemory,
        product: &Product<'_>,
        (x, y): (Element, Element),
        mut left: Vec<u32>,
        mut right: Vec<u32>,
    ) -> Result<(), Cause> {
        let Product { environment, operands, description, .. } = *product;
        let integer = matches!(x, Element::S8 | Element::U8);
        let accumulator = match description.d {
            0 if !integer => Accumulator::F16,
            1 if !integer => Accumulator::F32,
            2 if integer => Accumulator::S32 { saturate: description.saturate },
            other => return Err(Unsupported(format!("accumulator type {other} of a `tcgen05.mma`")).into()),
        };
        let step = Mma { m: 16, k: 8 * x.per_register(), a: x, b: y, accumulator };
        for (words, (element, negate)) in
            [&mut left, &mut right].into_iter().zip([x, y].into_iter().zip(description.negate))
        {
            if negate {
                let signs = match element {
                    Element::Tf32 => 0x8000_0000,
                    Element::F16 | Element::Bf16 => 0x8000_8000,
                    Element::E4m3 | Element::E5m2 => 0x8080_8080,
                    Element::S8 | Element::U8 => 0,
                };
                words.iter_mut().for_each(|word| *word ^= signs);
            }
        }
        let fast = environment.arithmetic == Arithmetic::Fast;
        let (first_lane, first_column) = (operands.d >> 16, operands.d & 0xffff);
        let registers = step.c_registers();
        let halves = accumulator == Accumulator::F16;
        // Row and column in the tile of register `register` of a lane; where two halves share one, the first of them.
        let place = |register: usize, lane: usize| {
            let row = lane / 4 + 8 * if halves { register } else { register / 2 };
            (row, lane % 4 * 2 + if halves { 0 } else { register % 2 })
        };
        let gather = |words: &[u32], tile: usize, rows: usize, register: usize| -> Plane {
            let (first, part) = if rows == 16 { (8 * (register & 1), register >> 1) } else { (0, register) };
            std::array::from_fn(|lane| words[(tile * rows + first + lane / 4) * 8 + 4 * part + lane % 4])
        };
        let right: Vec<[Plane; 2]> = (0..description.n / 8)
            .map(|tile| std::array::from_fn(|register| gather(&right, tile, 8, register)))
            .collect();
        for row_tile in 0..description.m / 16 {
            let left: [Plane; 4] = std::array::from_fn(|register| gather(&left, row_tile, 16, register));
            for (column_tile, right) in right.iter().enumerate() {
                let cell = |register: usize, lane: usize| {
                    let (row, column) = place(register, lane);
                    let (row, column) = description.cell(16 * row_tile + row, 8 * column_tile + column);
                    (first_lane + row, first_column + column)
                };
                let mut c: [Plane; 4] = [[0; 32]; 4];
                if operands.add {
                    for (register, plane) in c.iter_mut().enumerate().take(registers) {
                        for (lane, value) in plane.iter_mut().enumerate() {
                            let (row, column) = cell(register, lane);
                            *value = tensor.cell(row, column);
                            if halves {
                                *value = *value & 0xffff | tensor.cell(row, column + 1) << 16;
                            }
                        }
                    }
                }
                let mut d: [Plane; 4] = [[0; 32]; 4];
                let planes = [&left.each_ref()[..], &right.each_ref()[..], &c.each_ref()[..registers]];
                step.execute_wgmma(environment.architecture, fast, &mut self.operands, planes, &mut d);
                for (register, plane) in d.iter().enumerate().take(registers) {
                    for (lane, &value) in plane.iter().enumerate() {
                        let (row, column) = cell(register, lane);
                        if halves {
                            tensor.put(row, column, value & 0xffff);
                            tensor.put(row, column + 1, value >> 16);
                        } else {
                            tensor.put(row, column, value);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Byte and bit of an fp6 or fp4 element: sixteen lie in the first bytes of sixteen.
fn packed_place(element: usize, bits: usize) -> (usize, usize) {
    (element / 16 * 16 + element % 16 * bits / 8, element % 16 * bits % 8)
}

/// A row's elements, one to a byte. Sixteen fp6 or fp4 elements lie in the first bytes of sixteen, but for the kinds of fp4
/// `alone`, which has two in each byte.
fn codes(words: &[u32], words_of_row: usize, k: usize, small: Small, alone: bool) -> Vec<u8> {
    let bits = small.bits() as usize;
    let mut codes = Vec::with_capacity(words.len() / words_of_row * k);
    for row in words.chunks_exact(words_of_row) {
        let byte = |index: usize| row.get(index / 4).map_or(0, |word| word >> (8 * (index % 4)) & 0xff);
        for element in 0..k {
            let (first, bit) = match (alone, bits) {
                (_, 8) => (element, 0),
                (true, _) => (element / 2, element % 2 * 4),
                (false, _) => packed_place(element, bits),
            };
            let pair = byte(first) | byte(first + 1) << 8;
            codes.push((pair >> bit & ((1 << bits) - 1)) as u8);
        }
    }
    codes
}

/// Element by element: fp4, fp6, and whatever has scales.
fn multiply_small(
    tensor: &mut TensorMemory,
    product: &Product<'_>,
    (x, y): (Small, Small),
    left: &[u32],
    right: &[u32],
) -> Result<(), Cause> {
    let Product { mma, operands, description, .. } = *product;
    let (k, alone) = (mma.kind.k(), mma.kind.is_fp4_alone());
    let (left, right) = (codes(left, product.words, k, x, alone), codes(right, product.words, k, y, alone));
    let ty = if description.powers_of_two { ScaleType::Ue8m0 } else { ScaleType::Ue4m3 };
    let dot = ScaledDot::new(x, y, mma.scaled.map(|vector| (ty, vector as usize)), alone);
    let each = mma.scaled.map_or(0, |vector| k / vector as usize);
    let mut scales: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    for (side, count) in [description.m, description.n].into_iter().enumerate().filter(|_| each > 0) {
        let address = operands.scales[side];
        tensor.check("`tcgen05.mma` read of scales", address, count.div_ceil(32) as u32)?;
        for index in 0..count as u32 {
            // 32 lanes, which the other three quarters repeat.
            let word = tensor.cell((address >> 16) + index % 32, (address & 0xffff) + index / 32);
            let bytes = word.to_le_bytes();
            let first = description.scale_bytes[side];
            scales[side].extend((first..first + each).map(|byte| bytes[byte % 4]));
        }
    }
    let (first_lane, first_column) = (operands.d >> 16, operands.d & 0xffff);
    for (row, codes) in left.chunks_exact(k).enumerate() {
        for (column, other) in right.chunks_exact(k).enumerate() {
            let (lane, at) = description.cell(row, column);
            let (lane, at) = (first_lane + lane, first_column + at);
            let c = if operands.add { f32::from_bits(tensor.cell(lane, at)) } else { 0.0 };
            let of = |side: usize, index: usize| scales[side].get(index * each..).unwrap_or_default();
            let d = dot.dot(codes, other, [of(0, row), of(1, column)], c);
            tensor.put(lane, at, d.to_bits());
        }
    }
    Ok(())
}
