//! Machine code as `nvdisasm -c -gp -hex` prints it.

/// One machine instruction of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Its address in the function, in bytes.
    pub address: u64,
    /// Labels in front of the instruction.
    pub labels: Vec<String>,
    /// `@!P0 LDG.E.128 R4, [R2.64]`, blanks collapsed, without the semicolon.
    pub text: String,
    /// The line of the PTX that it was made for, from 1.
    pub ptx_line: Option<u32>,
    /// The scheduling fields of its encoding; `None` where there was no encoding.
    pub control: Option<Control>,
}

impl Instruction {
    /// `LDG.E.128`: the opcode with its modifiers, without a predicate.
    pub fn opcode(&self) -> &str {
        self.text.split_whitespace().find(|word| !word.starts_with('@')).unwrap_or_default()
    }
}

/// Control code for the scheduler: bits 105 to 125 of a 128-bit instruction, Volta and later.
/// (Jia et al., "Dissecting the NVIDIA Volta GPU Architecture via Microbenchmarking", arXiv 1804.06826.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Cycles to wait before the next instruction of this warp is issued.
    pub stall: u8,
    /// True if the scheduler is asked to prefer another warp next.
    pub yields: bool,
    /// The scoreboard that is released when the result is written.
    pub write_barrier: Option<u8>,
    /// The scoreboard that is released when the operands were read.
    pub read_barrier: Option<u8>,
    /// The scoreboards that are waited for, one bit each.
    pub wait: u8,
    /// Operand slots whose register stays in the reuse cache, one bit each.
    pub reuse: u8,
}

impl Control {
    /// From the upper 64 bits of an instruction.
    pub fn from_high(word: u64) -> Self {
        let bits = (word >> 41) as u32;
        let barrier = |field: u32| Some((field & 7) as u8).filter(|&barrier| barrier < 6);
        Self {
            stall: (bits & 15) as u8,
            // The bit says "stay": the warp yields where it is clear.
            yields: bits >> 4 & 1 == 0,
            write_barrier: barrier(bits >> 5),
            read_barrier: barrier(bits >> 8),
            wait: (bits >> 11 & 63) as u8,
            reuse: (bits >> 17 & 15) as u8,
        }
    }

    /// In the notation of the assemblers for these GPUs: `B0-----:R1:W-:Y:S04`.
    pub fn text(self) -> String {
        let wait: String =
            (0..6).map(|at| if self.wait >> at & 1 == 1 { char::from(b'0' + at) } else { '-' }).collect();
        let barrier = |barrier: Option<u8>| barrier.map_or('-', |barrier| char::from(b'0' + barrier));
        let yields = if self.yields { 'Y' } else { '-' };
        let (read, write) = (barrier(self.read_barrier), barrier(self.write_barrier));
        format!("B{wait}:R{read}:W{write}:{yields}:S{:02}", self.stall)
    }
}

/// A function of the machine code with its instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Name of the function.
    pub name: String,
    /// Instructions in the order of their addresses.
    pub instructions: Vec<Instruction>,
}

/// Reads the disassembler's listing.
pub fn parse(listing: &str) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    let (mut labels, mut ptx_line, mut low) = (Vec::new(), None, None);
    for line in listing.lines() {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix(".section\t.text.").or_else(|| trimmed.strip_prefix(".section .text."))
        {
            let name = name.split([',', '\t']).next().unwrap_or(name).to_owned();
            functions.push(Function { name, instructions: Vec::new() });
            (labels, ptx_line) = (Vec::new(), None);
        } else if let Some(rest) = trimmed.strip_prefix("//## File \".nv_debug_ptx_txt") {
            ptx_line = rest.rsplit("line ").next().and_then(|n| n.split_whitespace().next()?.parse().ok());
        } else if let Some(label) = trimmed.strip_suffix(':').filter(|label| label.starts_with('.')) {
            if !label.starts_with(".text.") {
                labels.push(label.to_owned());
            }
        } else if let Some(instruction) = instruction(trimmed) {
            let Some(function) = functions.last_mut() else { continue };
            let (address, text, encoding) = instruction;
            low = encoding;
            let labels = std::mem::take(&mut labels);
            function.instructions.push(Instruction { address, labels, text, ptx_line, control: None });
        } else if low.is_some()
            && let Some(high) = comment(trimmed).and_then(hexadecimal)
        {
            low = None;
            if let Some(last) = functions.last_mut().and_then(|function| function.instructions.last_mut()) {
                last.control = Some(Control::from_high(high));
            }
        }
    }
    functions.retain(|function| !function.instructions.is_empty());
    functions
}

/// `/*0010*/  ULDC UR8, c[0x0][0x17c] ;  /* 0x… */`
fn instruction(line: &str) -> Option<(u64, String, Option<u64>)> {
    let (address, rest) = line.strip_prefix("/*")?.split_once("*/")?;
    let address = u64::from_str_radix(address, 16).ok()?;
    let (text, rest) = rest.split_once(';')?;
    let text = text.trim().trim_start_matches('{').split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty() && !text.starts_with('.')).then(|| (address, text, comment(rest.trim()).and_then(hexadecimal)))
}

fn comment(text: &str) -> Option<&str> {
    Some(text.strip_prefix("/*")?.split_once("*/")?.0.trim())
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\t.section\t.text.matmul,\"ax\",@progbits\nmatmul:\n.text.matmul:\n\
        \t//## File \".nv_debug_ptx_txt\", line 22\n\
        \x20       /*0000*/                   IMAD.MOV.U32 R1, RZ, RZ, c[0x0][0x28] ;   /* 0x00000a00ff017624 */\n\
        \x20                                                                            /* 0x000fe400078e00ff */\n\
        .L_x_5:\n\
        \x20       /*0110*/              @!P0 IABS R5, R55.reuse ;                     /* 0x0000003700057213 */\n\
        \x20                                                                            /* 0x082fc80000000000 */\n";

    #[test]
    fn a_listing_is_read() {
        let [function] = parse(LISTING).try_into().expect("one function");
        assert_eq!(function.name, "matmul");
        let [first, second] = function.instructions.try_into().expect("two instructions");
        assert_eq!((first.address, first.ptx_line, first.opcode()), (0, Some(22), "IMAD.MOV.U32"));
        assert_eq!(first.control.map(Control::text).as_deref(), Some("B------:R-:W-:-:S02"));
        assert_eq!((second.opcode(), second.labels.as_slice()), ("IABS", [".L_x_5".to_owned()].as_slice()));
        let control = second.control.expect("a control code");
        assert_eq!(control.text(), "B-1----:R-:W-:Y:S04");
        assert_eq!(control.reuse, 1 << 1);
    }

    #[test]
    fn broken_listings_are_no_panic() {
        for length in (0..LISTING.len()).filter(|&at| LISTING.is_char_boundary(at)) {
            let _ = parse(&LISTING[..length]);
        }
    }
}
