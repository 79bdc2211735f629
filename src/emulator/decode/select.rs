//! From an opcode to an operation: arithmetic, comparisons, moves, control. Memory and tensor cores have files of
//! their own.

use super::call::return_label;
use super::modifiers::Modifiers;
use super::scope::file_of;
use super::{Decoder, Place};
use crate::diagnostic::Result;
use crate::emulator::arithmetic::convert::{Conversion, format_of};
use crate::emulator::arithmetic::formats::Rounding;
use crate::emulator::arithmetic::{integer, narrow};
use crate::emulator::lanes::{self, lanes};
use crate::emulator::program::{BarrierReduction, Data, Logic, Long, Op, Reduction, Shuffle, Slot, Word};
use crate::emulator::visit::File;
use crate::ptx::{Immediate, Instruction, Operand, PtxType};

impl Decoder<'_> {
    /// Decodes one instruction into one or more operations.
    pub(super) fn select(&mut self, instruction: &Instruction) -> Result<()> {
        let (name, mut m) = Modifiers::new(&instruction.opcode);
        let o = &instruction.operands[..];
        match name {
            "ld" | "ldu" => self.load(&mut m, o)?,
            "st" => self.store(&mut m, o)?,
            "atom" | "red" => self.atomic(name, &mut m, o)?,
            "cp" => self.copy_async(&mut m, o)?,
            "ldmatrix" | "stmatrix" => self.matrix_memory(name, &mut m, o)?,
            "mma" => self.mma(&mut m, o)?,
            "wgmma" => self.wgmma(&mut m, o)?,
            "mbarrier" => self.mbarrier(&mut m, o)?,
            "tensormap" => self.tensor_map(&mut m, o)?,
            "setmaxnreg" if m.take_any(&["inc", "dec"]).is_some() => {
                // Registers are not scarce here.
                while m.take_any(&["sync", "aligned", "u32"]).is_some() {}
                self.emit(Op::Nothing);
            }
            "cvta" => self.convert_address(&mut m, o)?,
            "mapa" => self.map_address(&mut m, o)?,
            "getctarank" => self.rank_of(&mut m, o)?,
            "isspacep" => self.is_space(&mut m, o)?,
            "prefetch" | "prefetchu" | "applypriority" | "discard" => {
                // Hints about caches, which are not modelled.
                self.emit(Op::Nothing);
                return Ok(());
            }
            "add" | "sub" | "mul" | "div" | "rem" | "min" | "max" | "and" | "or" | "xor" | "shl" | "shr" => {
                self.binary(name, &mut m, o)?;
            }
            "mul24" => return Err(self.unsupported("`mul24`")),
            "fma" | "mad" => self.multiply_add(name, &mut m, o)?,
            "neg" | "abs" | "not" | "cnot" | "popc" | "clz" | "brev" | "bfind" | "ex2" | "lg2" | "rcp" | "rsqrt"
            | "sqrt" | "sin" | "cos" | "tanh" => self.unary(name, &mut m, o)?,
            "prmt" => {
                m.take("b32");
                let sources = [self.word(o, 1)?, self.word(o, 2)?, self.word(o, 3)?];
                let d = self.word_out(o, 0)?;
                self.emit(Op::W3(
                    lanes!(Word; |a: Word, b: Word, c: Word| integer::permute_bytes(a, b, c)),
                    d,
                    sources,
                ));
            }
            "shf" => self.funnel_shift(&mut m, o)?,
            "lop3" => {
                m.take("b32");
                let table = self.constant_u32(o, 4)?;
                let (a, b, c) = (self.word(o, 1)?, self.word(o, 2)?, self.word(o, 3)?);
                let d = self.word_out(o, 0)?;
                self.emit(Op::Logic3 { d, a, b, c, table });
            }
            "bfe" | "bfi" => self.bit_field(name, &mut m, o)?,
            "sad" => self.sum_of_difference(&mut m, o)?,
            "dp4a" => self.dot4(&mut m, o)?,
            "copysign" => self.copy_sign(&mut m, o)?,
            "cvt" => self.convert(&mut m, o)?,
            "mov" => self.mov(&mut m, o)?,
            "setp" => self.set_predicate(&mut m, o)?,
            "set" => self.set_word(&mut m, o)?,
            "selp" => self.select_by_predicate(&mut m, o)?,
            "testp" => self.test(&mut m, o)?,
            "shfl" => self.shuffle(&mut m, o)?,
            "vote" => self.vote(&mut m, o)?,
            "match" => self.matching(&mut m, o)?,
            "redux" => self.reduce(&mut m, o)?,
            "elect" => self.elect(&mut m, o)?,
            "activemask" => {
                m.take("b32");
                let d = self.word_out(o, 0)?;
                self.emit(Op::ActiveMask { d });
            }
            "bar" | "barrier" => self.barrier(name, &mut m, o)?,
            "membar" | "fence" => {
                // One block's accesses are in order here, and blocks see each other's at once.
                while m
                    .take_any(&["sc", "acq_rel", "acquire", "release", "cta", "cluster", "gpu", "sys", "gl", "level"])
                    .is_some()
                {}
                let mut of_proxy = false;
                if m.take("proxy") {
                    let known = ["async", "tensormap::generic", "alias", "shared::cta", "shared", "global"];
                    while let Some(word) = m.take_any(&known) {
                        of_proxy |= word == "async";
                    }
                }
                m.take("mbarrier_init");
                self.emit(if of_proxy { Op::ProxyFence } else { Op::Nothing });
            }
            "bra" => {
                m.take("uni");
                let Some(Operand::Name(label)) = o.first() else { return Err(self.malformed("expected a label")) };
                let label = self.label(label);
                self.branch(label);
            }
            "brx" if m.take("idx") => {
                m.take("uni");
                self.branch_by_index(o, instruction.guard.is_some())?;
            }
            "ret" => {
                m.take("uni");
                match self.inlined.last() {
                    Some(id) => self.branch(return_label(*id)),
                    None => self.emit(Op::Exit),
                }
            }
            "exit" => self.emit(Op::Exit),
            "trap" => self.emit(Op::Trap),
            "brkpt" | "pmevent" | "nanosleep" => {
                m.take("u32");
                self.emit(Op::Nothing);
            }
            // A grid begins when the one before it has ended.
            "griddepcontrol" if m.take_any(&["wait", "launch_dependents"]).is_some() => self.emit(Op::Nothing),
            "call" => self.call(&mut m, o, instruction.guard.is_some())?,
            _ => return Err(self.unsupported(format!("`{}`", instruction.opcode))),
        }
        match m.rest() {
            [] => Ok(()),
            [first, ..] => Err(self.unsupported(format!("`.{first}` of `{}`", instruction.opcode))),
        }
    }

    // Operands.

    pub(super) fn operand<'o>(&self, operands: &'o [Operand], index: usize) -> Result<&'o Operand> {
        operands.get(index).ok_or_else(|| self.malformed(format!("operand {} is missing", index + 1)))
    }

    pub(super) fn constant_u32(&self, operands: &[Operand], index: usize) -> Result<u32> {
        match self.operand(operands, index)? {
            Operand::Immediate(Immediate::Integer(value)) => Ok(*value as u32),
            _ => Err(self.malformed(format!("operand {} has to be an integer constant", index + 1))),
        }
    }

    /// The slot of a 32-bit source.
    pub(super) fn word(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        let operand = self.operand(operands, index)?;
        self.word_of(operand)
    }

    pub(super) fn word_of(&mut self, operand: &Operand) -> Result<Slot> {
        match operand {
            Operand::Immediate(Immediate::Integer(value)) => Ok(self.word_constant(*value as u32)),
            Operand::Immediate(Immediate::F32(bits)) => Ok(self.word_constant(*bits)),
            Operand::Immediate(Immediate::F64(bits)) => {
                Ok(self.word_constant((f64::from_bits(*bits) as f32).to_bits()))
            }
            Operand::Name(name) => {
                if let Some(special) = Self::special_by_name(name) {
                    return Ok(self.special(special));
                }
                if let Some(Place::Shared(offset) | Place::Local(offset)) = self.symbols.variable(name) {
                    return Ok(self.word_constant(offset));
                }
                match self.lookup(name) {
                    Some((ty, slot)) if file_of(ty) == Some(File::Word) => Ok(slot),
                    // A wider register where a narrower one is meant gives its low bits.
                    Some((_, slot)) if self.lookup(name).and_then(|(ty, _)| file_of(ty)) == Some(File::Long) => {
                        let d = self.fresh(File::Word);
                        self.emit(Op::WfromL(lanes!(Word; |a: Long| a as u32), d, slot));
                        Ok(d)
                    }
                    _ => self.register(name, File::Word),
                }
            }
            Operand::NameOffset(name, addend) => match self.symbols.variable(name) {
                Some(Place::Shared(offset) | Place::Local(offset)) => {
                    Ok(self.word_constant(offset.wrapping_add(*addend as u32)))
                }
                _ => Err(self.malformed(format!("`{name}` has no 32-bit address"))),
            },
            _ => Err(self.malformed("expected a 32-bit register or a constant")),
        }
    }

    /// The slot of a 64-bit source.
    pub(super) fn long(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        let operand = self.operand(operands, index)?;
        self.long_of(operand)
    }

    pub(super) fn long_of(&mut self, operand: &Operand) -> Result<Slot> {
        match operand {
            Operand::Immediate(Immediate::Integer(value)) => Ok(self.long_constant(*value)),
            Operand::Immediate(Immediate::F64(bits)) => Ok(self.long_constant(*bits)),
            Operand::Immediate(Immediate::F32(bits)) => {
                Ok(self.long_constant(f64::from(f32::from_bits(*bits)).to_bits()))
            }
            Operand::Name(name) => match self.symbols.variable(name) {
                Some(place) => self.address_constant(place, 0),
                None => self.register(name, File::Long),
            },
            Operand::NameOffset(name, addend) => match self.symbols.variable(name) {
                Some(place) => self.address_constant(place, *addend),
                None => Err(self.malformed(format!("`{name}` is no variable"))),
            },
            _ => Err(self.malformed("expected a 64-bit register or a constant")),
        }
    }

    fn address_constant(&mut self, place: Place, addend: i64) -> Result<Slot> {
        match place {
            Place::Shared(offset) | Place::Local(offset) | Place::Param(offset) => {
                Ok(self.long_constant(u64::from(offset).wrapping_add(addend as u64)))
            }
            Place::Global(index) => {
                if let Some(&slot) = self.constants.globals.get(&(index, addend)) {
                    return Ok(slot);
                }
                let slot = self.fresh(File::Long);
                self.constants.globals.insert((index, addend), slot);
                Ok(slot)
            }
        }
    }

    /// The slot of a predicate source, negated where it is written so.
    pub(super) fn predicate(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        match self.operand(operands, index)? {
            Operand::Name(name) => self.register(name, File::Predicate),
            Operand::Not(name) => {
                let a = self.register(name, File::Predicate)?;
                let d = self.fresh(File::Predicate);
                self.emit(Op::PredicateNot { d, a });
                Ok(d)
            }
            Operand::Immediate(Immediate::Integer(value)) => {
                let truth = self.truth();
                if *value != 0 {
                    return Ok(truth);
                }
                let d = self.fresh(File::Predicate);
                self.emit(Op::PredicateNot { d, a: truth });
                Ok(d)
            }
            _ => Err(self.malformed("expected a predicate")),
        }
    }

    pub(super) fn word_out(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        self.out(operands, index, File::Word)
    }

    pub(super) fn long_out(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        self.out(operands, index, File::Long)
    }

    pub(super) fn predicate_out(&mut self, operands: &[Operand], index: usize) -> Result<Slot> {
        self.out(operands, index, File::Predicate)
    }

    fn out(&mut self, operands: &[Operand], index: usize, file: File) -> Result<Slot> {
        match self.operand(operands, index)? {
            Operand::Sink => Ok(self.fresh(file)),
            Operand::Name(name) => self.register(name, file),
            _ => Err(self.malformed(format!("operand {} has to be a register", index + 1))),
        }
    }

    /// A source of either width, by the register's own type.
    pub(super) fn data(&mut self, operand: &Operand, size: u32) -> Result<Data> {
        if size == 8 { Ok(Data::Long(self.long_of(operand)?)) } else { Ok(Data::Word(self.word_of(operand)?)) }
    }

    // Arithmetic.

    fn take_type(&self, m: &mut Modifiers<'_>) -> Result<PtxType> {
        m.take_type().ok_or_else(|| self.malformed("the opcode has no type"))
    }

    pub(super) fn emit_w2(&mut self, f: lanes::WordBinary, o: &[Operand]) -> Result<()> {
        let sources = [self.word(o, 1)?, self.word(o, 2)?];
        let d = self.word_out(o, 0)?;
        self.emit(Op::W2(f, d, sources));
        Ok(())
    }

    pub(super) fn emit_l2(&mut self, f: lanes::LongBinary, o: &[Operand]) -> Result<()> {
        let sources = [self.long(o, 1)?, self.long(o, 2)?];
        let d = self.long_out(o, 0)?;
        self.emit(Op::L2(f, d, sources));
        Ok(())
    }

    fn binary(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        if ty == PtxType::Pred {
            let logic = match name {
                "and" => Logic::And,
                "or" => Logic::Or,
                "xor" => Logic::Xor,
                _ => return Err(self.unsupported(format!("`{name}.pred`"))),
            };
            let (a, b) = (self.predicate(o, 1)?, self.predicate(o, 2)?);
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateLogic { logic, d, a, b });
            return Ok(());
        }
        if ty.is_float() {
            return self.float_binary(name, ty, m, o);
        }
        if matches!(name, "shl" | "shr") && ty.size() == 8 {
            let f: fn(&mut Long, &Long, &Word) = match (name, ty.is_signed()) {
                ("shl", _) => lanes!(Long; |a: Long, b: Word| if b < 64 { a << b } else { 0 }),
                (_, false) => lanes!(Long; |a: Long, b: Word| if b < 64 { a >> b } else { 0 }),
                (_, true) => lanes!(Long; |a: Long, b: Word| ((a as i64) >> b.min(63)) as u64),
            };
            let sources = [self.long(o, 1)?, self.word(o, 2)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::LfromLW(f, d, sources));
            return Ok(());
        }
        if name == "mul" && m.take("wide") && ty.size() == 4 {
            let f: fn(&mut Long, &Word, &Word) = if ty.is_signed() {
                lanes!(Long; |a: Word, b: Word| (i64::from(a as i32) * i64::from(b as i32)) as u64)
            } else {
                lanes!(Long; |a: Word, b: Word| u64::from(a) * u64::from(b))
            };
            let sources = [self.word(o, 1)?, self.word(o, 2)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::LfromWW(f, d, sources));
            return Ok(());
        }
        let saturate = m.take("sat");
        let full = match name {
            "mul" if m.take("hi") => "mul.hi".to_owned(),
            "mul" if m.take("lo") => "mul.lo".to_owned(),
            "mul" if ty.size() == 2 => "mul.wide".to_owned(),
            _ if saturate => format!("{name}.sat"),
            _ => name.to_owned(),
        };
        let refused = || format!("`{full}.{ty}`");
        if ty.size() == 8 {
            let f = lanes::integer_long_binary(&full, ty.is_signed()).ok_or_else(|| self.unsupported(refused()))?;
            self.emit_l2(f, o)
        } else {
            let f = lanes::integer_word_binary(&full, ty).ok_or_else(|| self.unsupported(refused()))?;
            self.emit_w2(f, o)
        }
    }

    fn float_binary(&mut self, name: &str, ty: PtxType, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let flush = m.take("ftz");
        let saturate = m.take("sat");
        let propagate = m.take("NaN");
        let full = if propagate { format!("{name}.nan") } else { name.to_owned() };
        let full = match m.take_any(&["full", "approx"]) {
            Some(how) if name == "div" => format!("div.{how}"),
            _ => full,
        };
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let refused = || format!("`{full}.{ty}`");
        if rounding != Rounding::NearestEven {
            return self.rounded_binary(name, ty, rounding, flush, saturate, o);
        }
        match ty {
            PtxType::F32 => {
                let f = lanes::f32_binary(&full, flush, saturate).ok_or_else(|| self.unsupported(refused()))?;
                self.emit_w2(f, o)
            }
            PtxType::F64 => {
                let f = lanes::f64_binary(&full).ok_or_else(|| self.unsupported(refused()))?;
                self.emit_l2(f, o)
            }
            _ if saturate || flush && !matches!(ty, PtxType::F16 | PtxType::F16x2) => {
                Err(self.unsupported(format!("`.ftz` or `.sat` of {}", refused())))
            }
            _ if flush => Err(self.unsupported(format!("`.ftz` of {}", refused()))),
            _ => {
                let f = lanes::half_binary(&full, ty).ok_or_else(|| self.unsupported(refused()))?;
                self.emit_w2(f, o)
            }
        }
    }

    fn multiply_add(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        if ty.is_float() {
            return self.float_fma(ty, m, o);
        }
        if name == "fma" {
            return Err(self.unsupported(format!("`fma.{ty}`")));
        }
        if m.take("wide") {
            if ty.size() == 2 {
                let f: lanes::WordTernary = if ty.is_signed() {
                    lanes!(Word; |a: Word, b: Word, c: Word| (i32::from(a as i16) * i32::from(b as i16)).wrapping_add(c as i32) as u32)
                } else {
                    lanes!(Word; |a: Word, b: Word, c: Word| ((a & 0xffff) * (b & 0xffff)).wrapping_add(c))
                };
                return self.emit_w3(f, o);
            }
            let f: fn(&mut Long, &Word, &Word, &Long) = if ty.is_signed() {
                lanes!(Long; |a: Word, b: Word, c: Long| (i64::from(a as i32) * i64::from(b as i32)).wrapping_add(c as i64) as u64)
            } else {
                lanes!(Long; |a: Word, b: Word, c: Long| (u64::from(a) * u64::from(b)).wrapping_add(c))
            };
            let sources = [self.word(o, 1)?, self.word(o, 2)?, self.long(o, 3)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::LfromWWL(f, d, sources));
            return Ok(());
        }
        let high = m.take("hi");
        if !high {
            m.take("lo");
        }
        match (ty.size(), high, ty.is_signed()) {
            (8, false, _) => {
                let sources = [self.long(o, 1)?, self.long(o, 2)?, self.long(o, 3)?];
                let d = self.long_out(o, 0)?;
                let f = lanes!(Long; |a: Long, b: Long, c: Long| a.wrapping_mul(b).wrapping_add(c));
                self.emit(Op::L3(f, d, sources));
                Ok(())
            }
            (4, false, _) => self.emit_w3(lanes!(Word; |a: Word, b: Word, c: Word| a.wrapping_mul(b).wrapping_add(c)), o),
            (2, false, _) => {
                self.emit_w3(lanes!(Word; |a: Word, b: Word, c: Word| a.wrapping_mul(b).wrapping_add(c) & 0xffff), o)
            }
            (4, true, false) => self.emit_w3(
                lanes!(Word; |a: Word, b: Word, c: Word| ((u64::from(a) * u64::from(b)) >> 32).wrapping_add(c.into()) as u32),
                o,
            ),
            (4, true, true) => self.emit_w3(
                lanes!(Word; |a: Word, b: Word, c: Word| ((i64::from(a as i32) * i64::from(b as i32)) >> 32).wrapping_add((c as i32).into()) as u32),
                o,
            ),
            _ => Err(self.unsupported(format!("`mad.hi.{ty}`"))),
        }
    }

    fn emit_w3(&mut self, f: lanes::WordTernary, o: &[Operand]) -> Result<()> {
        let sources = [self.word(o, 1)?, self.word(o, 2)?, self.word(o, 3)?];
        let d = self.word_out(o, 0)?;
        self.emit(Op::W3(f, d, sources));
        Ok(())
    }

    fn float_fma(&mut self, ty: PtxType, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let (flush, saturate, relu) = (m.take("ftz"), m.take("sat"), m.take("relu"));
        if ty == PtxType::F32 && rounding == Rounding::NearestEven && !relu {
            return self.emit_w3(lanes::f32_fma(flush, saturate), o);
        }
        if ty == PtxType::F64 && rounding == Rounding::NearestEven {
            let sources = [self.long(o, 1)?, self.long(o, 2)?, self.long(o, 3)?];
            let d = self.long_out(o, 0)?;
            self.emit(Op::L3(lanes::f64_fma(), d, sources));
            return Ok(());
        }
        let Some(format) = format_of(ty) else { return Err(self.unsupported(format!("`fma.{ty}`"))) };
        if flush && ty != PtxType::F32 {
            return Err(self.unsupported(format!("`fma.ftz.{ty}`")));
        }
        let size = ty.size();
        let [a, b, c] = [1, 2, 3].map(|index| self.operand(o, index).cloned());
        let (a, b, c) = (self.data(&a?, size)?, self.data(&b?, size)?, self.data(&c?, size)?);
        let d = if size == 8 { Data::Long(self.long_out(o, 0)?) } else { Data::Word(self.word_out(o, 0)?) };
        let packed = matches!(ty, PtxType::F16x2 | PtxType::Bf16x2);
        let flags = u8::from(flush) | u8::from(saturate) << 1 | u8::from(relu) << 2;
        self.emit(Op::Fma { format, rounding, packed, flags, d, a, b, c });
        Ok(())
    }

    fn unary(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let flush = m.take("ftz");
        let approximate = m.take("approx");
        let rounding = m.take_rounding();
        if ty == PtxType::Pred && name == "not" {
            let a = self.predicate(o, 1)?;
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateNot { d, a });
            return Ok(());
        }
        if matches!(name, "rcp" | "sqrt")
            && matches!(rounding, Some(Rounding::TowardZero | Rounding::Down | Rounding::Up))
        {
            return self.rounded_unary(name, ty, rounding.unwrap_or(Rounding::TowardZero), flush, o);
        }
        let refused = || format!("`{name}.{ty}`");
        if matches!(name, "popc" | "clz" | "bfind") && ty.size() == 8 {
            let f: fn(&mut Word, &Long) = match (name, m.take("shiftamt")) {
                ("popc", _) => lanes!(Word; |a: Long| a.count_ones()),
                ("clz", _) => lanes!(Word; |a: Long| a.leading_zeros()),
                (_, false) if !ty.is_signed() => lanes!(Word; |a: Long| integer::find_top(a)),
                (_, false) => lanes!(Word; |a: Long| integer::find_top(if (a as i64) < 0 { !a } else { a })),
                _ => return Err(self.unsupported(refused())),
            };
            let a = self.long(o, 1)?;
            let d = self.word_out(o, 0)?;
            self.emit(Op::WfromL(f, d, a));
            return Ok(());
        }
        if ty.size() == 8 {
            let f: lanes::LongUnary = match name {
                _ if ty == PtxType::F64 => lanes::f64_unary(name).ok_or_else(|| self.unsupported(refused()))?,
                "neg" => lanes!(Long; |a: Long| a.wrapping_neg()),
                "abs" => lanes!(Long; |a: Long| (a as i64).wrapping_abs() as u64),
                "not" => lanes!(Long; |a: Long| !a),
                "cnot" => lanes!(Long; |a: Long| u64::from(a == 0)),
                "brev" => lanes!(Long; |a: Long| a.reverse_bits()),
                _ => return Err(self.unsupported(refused())),
            };
            let a = self.long(o, 1)?;
            let d = self.long_out(o, 0)?;
            self.emit(Op::L1(f, d, a));
            return Ok(());
        }
        let narrow = ty.size() < 4;
        let f: lanes::WordUnary = match name {
            _ if ty == PtxType::F32 => {
                lanes::f32_unary(name, approximate, flush).ok_or_else(|| self.unsupported(refused()))?
            }
            _ if ty.is_float() => lanes::half_unary(name, ty).ok_or_else(|| self.unsupported(refused()))?,
            "neg" if narrow => lanes!(Word; |a: Word| a.wrapping_neg() & 0xffff),
            "neg" => lanes!(Word; |a: Word| a.wrapping_neg()),
            "abs" if narrow => lanes!(Word; |a: Word| i32::from(a as i16).unsigned_abs() & 0xffff),
            "abs" => lanes!(Word; |a: Word| (a as i32).wrapping_abs() as u32),
            "not" if narrow => lanes!(Word; |a: Word| !a & 0xffff),
            "not" => lanes!(Word; |a: Word| !a),
            "cnot" => lanes!(Word; |a: Word| u32::from(a == 0)),
            "popc" => lanes!(Word; |a: Word| a.count_ones()),
            "clz" => lanes!(Word; |a: Word| a.leading_zeros()),
            "brev" => lanes!(Word; |a: Word| a.reverse_bits()),
            "bfind" if m.take("shiftamt") && !ty.is_signed() => {
                lanes!(Word; |a: Word| if a == 0 { u32::MAX } else { a.leading_zeros() })
            }
            "bfind" if !ty.is_signed() => lanes!(Word; |a: Word| integer::find_top(a.into())),
            "bfind" => lanes!(Word; |a: Word| integer::find_top((if (a as i32) < 0 { !a } else { a }).into())),
            _ => return Err(self.unsupported(refused())),
        };
        let a = self.word(o, 1)?;
        let d = self.word_out(o, 0)?;
        self.emit(Op::W1(f, d, a));
        Ok(())
    }

    fn funnel_shift(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("b32");
        let (left, wrap) = (m.take("l"), m.take("wrap"));
        if !left {
            m.take("r");
        }
        if !wrap {
            m.take("clamp");
        }
        fn wide(low: u32, high: u32) -> u64 {
            u64::from(high) << 32 | u64::from(low)
        }
        let f: lanes::WordTernary = match (left, wrap) {
            (true, true) => lanes!(Word; |a: Word, b: Word, c: Word| (wide(a, b) << (c & 31) >> 32) as u32),
            (true, false) => lanes!(Word; |a: Word, b: Word, c: Word| (wide(a, b) << c.min(32) >> 32) as u32),
            (false, true) => lanes!(Word; |a: Word, b: Word, c: Word| (wide(a, b) >> (c & 31)) as u32),
            (false, false) => lanes!(Word; |a: Word, b: Word, c: Word| (wide(a, b) >> c.min(32)) as u32),
        };
        self.emit_w3(f, o)
    }

    fn bit_field(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let insert = name == "bfi";
        let first = if insert { 3 } else { 2 };
        let (position, length) = (self.word(o, first)?, self.word(o, first + 1)?);
        match (insert, ty.size()) {
            (false, 8) => {
                let a = self.long(o, 1)?;
                let d = self.long_out(o, 0)?;
                self.emit(Op::ExtractL { signed: ty.is_signed(), d, a, position, length });
            }
            (false, _) => {
                let f: lanes::WordTernary = if ty.is_signed() {
                    lanes!(Word; |a: Word, p: Word, n: Word| integer::extract_signed(a.into(), p, n, 32) as u32)
                } else {
                    lanes!(Word; |a: Word, p: Word, n: Word| integer::extract_unsigned(a.into(), p, n, 32) as u32)
                };
                let a = self.word(o, 1)?;
                let d = self.word_out(o, 0)?;
                self.emit(Op::W3(f, d, [a, position, length]));
            }
            (true, 8) => {
                let (field, base) = (self.long(o, 1)?, self.long(o, 2)?);
                let d = self.long_out(o, 0)?;
                self.emit(Op::InsertL { d, field, base, position, length });
            }
            (true, _) => {
                let (field, base) = (self.word(o, 1)?, self.word(o, 2)?);
                let d = self.word_out(o, 0)?;
                self.emit(Op::InsertW { d, field, base, position, length });
            }
        }
        Ok(())
    }

    fn sum_of_difference(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let f: lanes::WordTernary = match self.take_type(m)? {
            PtxType::U32 => lanes!(Word; |a: Word, b: Word, c: Word| c.wrapping_add(a.abs_diff(b))),
            PtxType::S32 => lanes!(Word; |a: Word, b: Word, c: Word| c.wrapping_add((a as i32).abs_diff(b as i32))),
            ty => return Err(self.unsupported(format!("`sad.{ty}`"))),
        };
        self.emit_w3(f, o)
    }

    fn dot4(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let signed = (self.take_type(m)?.is_signed(), self.take_type(m)?.is_signed());
        let f: lanes::WordTernary = match signed {
            (true, true) => lanes!(Word; |a: Word, b: Word, c: Word| integer::dot4(a, b, c, true, true)),
            (true, false) => lanes!(Word; |a: Word, b: Word, c: Word| integer::dot4(a, b, c, true, false)),
            (false, true) => lanes!(Word; |a: Word, b: Word, c: Word| integer::dot4(a, b, c, false, true)),
            (false, false) => lanes!(Word; |a: Word, b: Word, c: Word| integer::dot4(a, b, c, false, false)),
        };
        self.emit_w3(f, o)
    }

    fn copy_sign(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        match self.take_type(m)? {
            PtxType::F32 => self.emit_w2(lanes!(Word; |a: Word, b: Word| a & 1 << 31 | b & !(1 << 31)), o),
            _ => self.emit_l2(lanes!(Long; |a: Long, b: Long| a & 1 << 63 | b & !(1 << 63)), o),
        }
    }

    // Conversions and moves.

    fn convert(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let (to, from) = (self.take_type(m)?, self.take_type(m)?);
        let integral = m.take_integral_rounding();
        let rounding = m.take_rounding().unwrap_or(Rounding::NearestEven);
        let mut conversion = Conversion {
            to,
            from,
            rounding,
            integral,
            flush: m.take("ftz"),
            saturate: m.take("sat"),
            finite: m.take("satfinite"),
            relu: m.take("relu"),
        };
        use PtxType::{Bf16, Bf16x2, E4m3, E4m3x2, E5m2, E5m2x2, F16, F16x2, F32 as TF32, F64 as TF64};
        let scalar = |ty| match ty {
            F16x2 => F16,
            Bf16x2 => Bf16,
            E4m3x2 => E4m3,
            E5m2x2 => E5m2,
            other => other,
        };
        if from == TF32 && scalar(to) != to {
            conversion.to = scalar(to);
            let width = if to.size() == 4 { 16 } else { 8 };
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            let d = self.word_out(o, 0)?;
            let modified = conversion.flush || conversion.saturate || conversion.finite || conversion.relu;
            let f: Option<lanes::WordBinary> = match (to, rounding) {
                _ if modified => None,
                (F16x2, Rounding::NearestEven) => {
                    Some(lanes!(Word; |a: Word, b: Word| narrow::f16_from_f32(a) << 16 | narrow::f16_from_f32(b)))
                }
                (Bf16x2, Rounding::NearestEven) => {
                    Some(lanes!(Word; |a: Word, b: Word| narrow::bf16_from_f32(a) << 16 | narrow::bf16_from_f32(b)))
                }
                _ => None,
            };
            if let Some(f) = f {
                self.emit(Op::W2(f, d, [a, b]));
                return Ok(());
            }
            self.emit(Op::ConvertPair { conversion, width, d, a, b });
            return Ok(());
        }
        if scalar(from) != from {
            conversion.from = scalar(from);
            conversion.to = scalar(to);
            let a = self.word(o, 1)?;
            let d = self.word_out(o, 0)?;
            self.emit(Op::UnpackPair { conversion, d, a });
            return Ok(());
        }
        // The common ones have functions of their own.
        let plain = !conversion.saturate;
        match (to.size(), from.size(), to.is_float() || from.is_float()) {
            (8, 4, false) => {
                let a = self.word(o, 1)?;
                let d = self.long_out(o, 0)?;
                let f: fn(&mut Long, &Word) = if from.is_signed() {
                    lanes!(Long; |a: Word| a as i32 as i64 as u64)
                } else {
                    lanes!(Long; |a: Word| u64::from(a))
                };
                if plain || to.is_signed() == from.is_signed() {
                    self.emit(Op::LfromW(f, d, a));
                    return Ok(());
                }
            }
            (4, 8, false) if plain => {
                let a = self.long(o, 1)?;
                let d = self.word_out(o, 0)?;
                self.emit(Op::WfromL(lanes!(Word; |a: Long| a as u32), d, a));
                return Ok(());
            }
            _ => {}
        }
        let f: Option<lanes::WordUnary> = match (from, to, rounding) {
            (F16, TF32, _) if plain => Some(lanes!(Word; |a: Word| narrow::f32_from_f16(a))),
            (TF32, F16, Rounding::NearestEven) if plain && !conversion.finite && integral.is_none() => {
                Some(lanes!(Word; |a: Word| narrow::f16_from_f32(a)))
            }
            (TF32, Bf16, Rounding::NearestEven) if plain && !conversion.finite && integral.is_none() => {
                Some(lanes!(Word; |a: Word| narrow::bf16_from_f32(a)))
            }
            (Bf16, TF32, _) if plain => Some(lanes!(Word; |a: Word| a << 16)),
            (PtxType::S32, TF32, Rounding::NearestEven) => Some(lanes!(Word; |a: Word| (a as i32 as f32).to_bits())),
            (PtxType::U32, TF32, Rounding::NearestEven) => Some(lanes!(Word; |a: Word| (a as f32).to_bits())),
            (PtxType::U16, PtxType::U32 | PtxType::S32, _) => Some(lanes!(Word; |a: Word| a & 0xffff)),
            (PtxType::S16, PtxType::S32 | PtxType::U32, _) if plain => {
                Some(lanes!(Word; |a: Word| a as u16 as i16 as i32 as u32))
            }
            (PtxType::U32 | PtxType::S32, PtxType::U16 | PtxType::S16, _) if plain => {
                Some(lanes!(Word; |a: Word| a & 0xffff))
            }
            _ => None,
        };
        if let Some(f) = f.filter(|_| !conversion.flush && !conversion.relu) {
            let a = self.word(o, 1)?;
            let d = self.word_out(o, 0)?;
            self.emit(Op::W1(f, d, a));
            return Ok(());
        }
        if to == TF64 && from == TF32 || format_of(to).is_none() && to.is_float() || to == PtxType::Pred {
            // f32 to f64 falls through to the general way; the others are no conversions.
            if to != TF64 {
                return Err(self.unsupported(format!("`cvt.{to}.{from}`")));
            }
        }
        let operand = self.operand(o, 1)?;
        let a = self.data(operand, from.size())?;
        let d = match self.operand(o, 0)? {
            Operand::Name(name) => match self.lookup(name) {
                // A destination wider than the type is extended by the type's sign.
                Some((ty, slot)) if file_of(ty) == Some(File::Long) => Data::Long(slot),
                Some((ty, slot)) if file_of(ty) == Some(File::Word) => Data::Word(slot),
                _ => return Err(self.malformed(format!("`{name}` does not fit `cvt.{to}`"))),
            },
            _ => return Err(self.malformed("operand 1 has to be a register")),
        };
        self.emit(Op::Convert { conversion, d, a });
        Ok(())
    }

    fn mov(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        if ty == PtxType::Pred {
            let a = self.predicate(o, 1)?;
            let d = self.predicate_out(o, 0)?;
            self.emit(Op::PredicateMove { d, a });
            return Ok(());
        }
        match (self.operand(o, 0)?, self.operand(o, 1)?) {
            (Operand::Vector(parts), source) => return self.unpack(ty, parts, source),
            (_, Operand::Vector(parts)) => return self.pack(ty, o, parts),
            _ => {}
        }
        if let Operand::Name(name) = self.operand(o, 1)?
            && matches!(name.as_str(), "%clock" | "%clock64" | "%globaltimer" | "%clock_hi" | "%globaltimer_lo")
        {
            let d = if ty.size() == 8 { Data::Long(self.long_out(o, 0)?) } else { Data::Word(self.word_out(o, 0)?) };
            self.emit(Op::Clock { d });
            return Ok(());
        }
        match ty.size() {
            8 => {
                let a = self.long(o, 1)?;
                let d = self.long_out(o, 0)?;
                self.emit(Op::L1(lanes!(Long; |a: Long| a), d, a));
            }
            16 => return Err(self.unsupported("128-bit registers")),
            _ => {
                let a = self.word(o, 1)?;
                let d = self.word_out(o, 0)?;
                self.emit(Op::W1(lanes!(Word; |a: Word| a), d, a));
            }
        }
        Ok(())
    }

    fn optional_words(&mut self, parts: &[Operand]) -> Result<Vec<Option<Slot>>> {
        (0..parts.len())
            .map(|index| match &parts[index] {
                Operand::Sink => Ok(None),
                _ => self.word_out(parts, index).map(Some),
            })
            .collect()
    }

    fn unpack(&mut self, ty: PtxType, parts: &[Operand], source: &Operand) -> Result<()> {
        match (ty.size(), parts.len()) {
            (8, 2) => {
                let a = self.long_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackLong { low: d[0], high: d[1], a });
            }
            (4, 2) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackHalves { low: d[0], high: d[1], a });
            }
            (4, 4) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackBytes { d: [d[0], d[1], d[2], d[3]], a });
            }
            (8, 4) => {
                let a = self.long_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackQuarters { d: [d[0], d[1], d[2], d[3]], a });
            }
            (2, 2) => {
                let a = self.word_of(source)?;
                let d = self.optional_words(parts)?;
                self.emit(Op::UnpackBytes { d: [d[0], d[1], None, None], a });
            }
            (size, count) => return Err(self.unsupported(format!("a move of {size} bytes to {count} registers"))),
        }
        Ok(())
    }

    fn pack(&mut self, ty: PtxType, o: &[Operand], parts: &[Operand]) -> Result<()> {
        let mut slots = Vec::with_capacity(parts.len());
        for part in parts {
            slots.push(self.word_of(part)?);
        }
        match (ty.size(), slots[..].try_into().ok(), <[Slot; 2]>::try_from(&slots[..]).ok()) {
            (8, _, Some([low, high])) => {
                let d = self.long_out(o, 0)?;
                self.emit(Op::PackWords { d, low, high });
            }
            (4, _, Some([low, high])) => {
                let d = self.word_out(o, 0)?;
                self.emit(Op::PackHalves { d, low, high });
            }
            (2, _, Some([low, high])) => {
                let d = self.word_out(o, 0)?;
                let zero = self.word_constant(0);
                self.emit(Op::PackBytes { d, bytes: [low, high, zero, zero] });
            }
            (4, Some(bytes), _) => {
                let d = self.word_out(o, 0)?;
                self.emit(Op::PackBytes { d, bytes });
            }
            (8, Some(parts), _) => {
                let d = self.long_out(o, 0)?;
                self.emit(Op::PackQuarters { d, parts });
            }
            (size, ..) => {
                return Err(self.unsupported(format!("a move of {} registers to {size} bytes", slots.len())));
            }
        }
        Ok(())
    }

    // Predicates.

    fn set_predicate(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let flush = m.take("ftz");
        let logic = m.take_any(&["and", "or", "xor"]).map(|name| match name {
            "and" => Logic::And,
            "or" => Logic::Or,
            _ => Logic::Xor,
        });
        let comparison = self.take_comparison(m)?;
        let (d, complement) = match self.operand(o, 0)? {
            Operand::Pair(first, second) => {
                let pair = [(**first).clone(), (**second).clone()];
                let second = if pair[1] == Operand::Sink { None } else { Some(self.predicate_out(&pair, 1)?) };
                (self.predicate_out(&pair, 0)?, second)
            }
            _ => (self.predicate_out(o, 0)?, None),
        };
        let combine = match logic {
            Some(logic) => Some((logic, self.predicate(o, 3)?, false)),
            None => None,
        };
        let refused = || format!("`setp.{comparison}.{ty}`");
        if ty.size() == 8 {
            let f = lanes::compare_longs(comparison, ty).ok_or_else(|| self.unsupported(refused()))?;
            let (a, b) = (self.long(o, 1)?, self.long(o, 2)?);
            self.emit(Op::CompareL { f, d, complement, a, b, combine });
        } else {
            let f = lanes::compare_words(comparison, ty, flush).ok_or_else(|| self.unsupported(refused()))?;
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            self.emit(Op::CompareW { f, d, complement, a, b, combine });
        }
        Ok(())
    }

    fn take_comparison(&self, m: &mut Modifiers<'_>) -> Result<&'static str> {
        m.take_any(&[
            "eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu",
            "num", "nan",
        ])
        .ok_or_else(|| self.malformed("the opcode has no comparison"))
    }

    fn set_word(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let (to, from) = (self.take_type(m)?, self.take_type(m)?);
        let flush = m.take("ftz");
        let comparison = self.take_comparison(m)?;
        let f = lanes::compare_words(comparison, from, flush);
        let f = f.ok_or_else(|| self.unsupported(format!("`set.{comparison}.{to}.{from}`")))?;
        let ones = if to == PtxType::F32 { 1f32.to_bits() } else { u32::MAX };
        let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
        let d = self.word_out(o, 0)?;
        self.emit(Op::SetW { f, d, a, b, ones });
        Ok(())
    }

    fn select_by_predicate(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        let ty = self.take_type(m)?;
        let p = self.predicate(o, 3)?;
        if ty.size() == 8 {
            let (a, b) = (self.long(o, 1)?, self.long(o, 2)?);
            let d = self.long_out(o, 0)?;
            self.emit(Op::SelectL { d, a, b, p });
        } else {
            let (a, b) = (self.word(o, 1)?, self.word(o, 2)?);
            let d = self.word_out(o, 0)?;
            self.emit(Op::SelectW { d, a, b, p });
        }
        Ok(())
    }

    fn test(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        if self.take_type(m)? != PtxType::F32 {
            return Err(self.unsupported("`testp.f64`"));
        }
        macro_rules! property {
            (|$x:ident| $value:expr) => {{
                fn apply(a: &Word) -> u32 {
                    a.iter().enumerate().fold(0, |mask, (lane, &bits)| {
                        let $x = f32::from_bits(bits);
                        mask | u32::from($value) << lane
                    })
                }
                apply as fn(&Word) -> u32
            }};
        }
        let f = match m.take_any(&["finite", "infinite", "number", "notanumber", "normal", "subnormal"]) {
            Some("finite") => property!(|x| x.is_finite()),
            Some("infinite") => property!(|x| x.is_infinite()),
            Some("number") => property!(|x| !x.is_nan()),
            Some("notanumber") => property!(|x| x.is_nan()),
            Some("normal") => property!(|x| x.is_normal()),
            _ => property!(|x| x.is_subnormal()),
        };
        let a = self.word(o, 1)?;
        let d = self.predicate_out(o, 0)?;
        self.emit(Op::TestW { f, d, a });
        Ok(())
    }

    // Collectives.

    fn shuffle(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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

    fn vote(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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

    fn matching(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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

    fn reduce(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
        m.take("sync");
        let signed = match self.take_type(m)? {
            PtxType::F32 => return Err(self.unsupported("`redux.sync` of f32")),
            ty => ty.is_signed(),
        };
        let op = match (m.take_any(&["add", "min", "max", "and", "or", "xor"]), signed) {
            (Some("add"), _) => Reduction::Add,
            (Some("min"), true) => Reduction::MinSigned,
            (Some("max"), true) => Reduction::MaxSigned,
            (Some("min"), false) => Reduction::MinUnsigned,
            (Some("max"), false) => Reduction::MaxUnsigned,
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

    fn elect(&mut self, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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

    fn barrier(&mut self, name: &str, m: &mut Modifiers<'_>, o: &[Operand]) -> Result<()> {
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
}
