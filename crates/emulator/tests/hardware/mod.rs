//! What an H100 gave for every arithmetic form, bit for bit: arithmetic.h100.zlib, recorded by benches/gpu/vectors.py.
//!
//! `WARPBOOK_VECTORS=file` reads another recording, `WARPBOOK_VECTORS_ONLY=text` takes the forms whose name has the text.

mod approximate;
mod inputs;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use serde_json::Value;
use warpbook_device::{Code, Device, Emulated, Launch};
use warpbook_diagnostic::Result;
use warpbook_process::cancel::Cancel;

const CHUNK: usize = 8192;

/// A form as recorded.
struct Form {
    name: String,
    ptx: String,
    inputs: Vec<Value>,
    cases: u64,
    per_block: u64,
    threads: u32,
    /// Bytes of a case's result.
    size: usize,
    hashes: Vec<u64>,
    shown: Vec<u8>,
}

fn recorded(path: &Path) -> Vec<Form> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).expect("the recording opens");
    flate2::read::ZlibDecoder::new(file).read_to_end(&mut bytes).expect("the recording is whole");
    let (length, rest) = bytes.split_first_chunk::<4>().expect("a length");
    let (header, mut body) = rest.split_at(u32::from_le_bytes(*length) as usize);
    let mut take = |count: usize| {
        let (head, tail) = body.split_at(count);
        body = tail;
        head.to_vec()
    };
    let header = std::str::from_utf8(header).expect("text");
    let forms = header.lines().map(|line| {
        let form: Value = serde_json::from_str(line).expect("a form");
        let text = |key: &str| form[key].as_str().expect("text").to_owned();
        let number = |key: &str| form[key].as_u64().expect("a number");
        let (cases, size) = (number("cases"), number("size") as usize);
        let hashes = take(cases as usize * size / CHUNK * 8);
        Form {
            name: text("name"),
            ptx: text("ptx"),
            inputs: form["inputs"].as_array().expect("inputs").clone(),
            cases,
            per_block: number("per_block"),
            threads: number("threads") as u32,
            size,
            hashes: hashes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect(),
            shown: take(number("shown") as usize),
        }
    });
    forms.collect()
}

/// Operands by what makes them: many forms have the same.
type Operands = BTreeMap<String, Vec<u8>>;

impl Form {
    fn run(&self, operands: &mut Operands) -> Result<Vec<u8>> {
        let mut device = Emulated::new(90);
        let function = device.load(Code::Ptx(&self.ptx), "k")?;
        let out = device.allocate("out", self.cases * self.size as u64)?;
        let mut arguments = [out; 4];
        for (number, source) in self.inputs.iter().enumerate() {
            let key = format!("{number} {source} {}", self.cases);
            let bytes = operands.entry(key).or_insert_with(|| inputs::operand(number, source, self.cases));
            let address = device.allocate("in", bytes.len() as u64)?;
            device.write(address, bytes)?;
            arguments[number + 1] = address;
        }
        let launch = Launch {
            function,
            grid: [(self.cases / self.per_block) as u32, 1, 1],
            block: [self.threads, 1, 1],
            cluster: [1; 3],
            shared: 0,
            extra_shared: 0,
            args: arguments.iter().map(|address| address.to_le_bytes().to_vec()).collect(),
            cooperative: false,
            dependent: false,
            seed: 0,
            observe: None,
            check: false,
        };
        device.launch(&launch, &Cancel::new(), &|_| {})?;
        let mut results = vec![0; self.cases as usize * self.size];
        device.read(out, &mut results)?;
        Ok(results)
    }

    /// The bytes of one element of each operand of a case, and of its result, in hexadecimal.
    fn told(&self, operands: &Operands, case: usize, results: &[u8]) -> String {
        let hexadecimal = |bytes: &[u8]| bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect::<String>();
        let element = if self.per_block == 1 { 4 } else { self.size };
        let at = |bytes: &[u8], size: usize| hexadecimal(&bytes[case * size..(case + 1) * size]);
        let mut arguments = Vec::new();
        for (number, source) in self.inputs.iter().enumerate().filter(|_| self.per_block > 1) {
            let bytes = &operands[&format!("{number} {source} {}", self.cases)];
            arguments.push(at(bytes, bytes.len() / self.cases as usize));
        }
        format!("case {case}: {} gives {}, not {}", arguments.join(" "), at(&self.shown, element), at(results, element))
    }
}

/// FNV-1a over words of 8 bytes.
fn hash(bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks::<8>().0;
    words
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |state, word| (state ^ u64::from_le_bytes(*word)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn every_arithmetic_form_has_the_bits_of_an_h100() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hardware/arithmetic.h100.zlib");
    let path = std::env::var_os("WARPBOOK_VECTORS").map_or(default, Into::into);
    let only = std::env::var("WARPBOOK_VECTORS_ONLY").unwrap_or_default();
    let forms = recorded(&path);
    let (mut cases, mut checked, mut wrong) = (0, 0, Vec::new());
    let mut operands = Operands::new();
    for form in forms.iter().filter(|form| form.name.contains(&only)) {
        checked += 1;
        cases += form.cases;
        let results = match form.run(&mut operands) {
            Ok(results) => results,
            Err(error) => {
                wrong.push(format!("{}: {}", form.name, error.message));
                continue;
            }
        };
        let element = if form.per_block == 1 { 4 } else { form.size };
        let pairs = form.shown.chunks_exact(element).zip(results.chunks_exact(element));
        let different: Vec<usize> = pairs.enumerate().filter(|(_, (a, b))| a != b).map(|(case, _)| case).collect();
        let chunks =
            results.chunks_exact(CHUNK).zip(&form.hashes).filter(|(chunk, known)| hash(chunk) != **known).count();
        if chunks > 0 || !different.is_empty() {
            let shown = different.iter().take(4).map(|&case| form.told(&operands, case, &results));
            wrong.push(format!(
                "{}: {} of {} results kept whole, {chunks} of {} chunks differ\n    {}",
                form.name,
                different.len(),
                form.shown.len() / element,
                form.hashes.len(),
                shown.collect::<Vec<_>>().join("\n    ")
            ));
        }
    }
    println!("{checked} forms, {cases} cases, {} forms with a mismatch", wrong.len());
    assert!(checked > 0 && wrong.is_empty(), "{} forms\n{}", wrong.len(), wrong.join("\n"));
}
