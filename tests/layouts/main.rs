//! Layouts are Triton's own, where a Triton that answers is installed: 3.6's Gluon does.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use warpbook::compiler::environment;
use warpbook::layout::Encoding;

/// How many layouts are asked for.
const CASES: usize = 12_000;

/// Numbers that are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }

    /// `rank` powers of two whose product is `product`.
    fn split(&mut self, product: u32, rank: usize) -> Vec<u32> {
        let mut parts = vec![1; rank];
        for _ in 0..product.ilog2() {
            let at = self.below(rank as u64) as usize;
            parts[at] *= 2;
        }
        parts
    }

    fn order(&mut self, rank: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rank).collect();
        for at in (1..rank).rev() {
            order.swap(at, self.below(at as u64 + 1) as usize);
        }
        order
    }

    fn shape(&mut self, rank: usize) -> Vec<u32> {
        (0..rank).map(|_| 1 << self.below(9)).collect()
    }

    /// A distributed layout of `rank` dimensions: as TTGIR has it, and for the oracle.
    fn parent(&mut self, rank: usize) -> (String, Value) {
        let warps = 1 << self.below(4);
        if rank == 2 && self.below(2) == 0 {
            return self.mma(warps);
        }
        let each = 1 << self.below(5);
        let (size, threads, warps) = (self.split(each, rank), self.split(32, rank), self.split(warps, rank));
        let order = self.order(rank);
        let text = format!(
            "#ttg.blocked<{{sizePerThread = {size:?}, threadsPerWarp = {threads:?}, warpsPerCTA = {warps:?}, order = {order:?}}}>"
        );
        (text, json!({"kind": "blocked", "size": size, "threads": threads, "warps": warps, "order": order}))
    }

    fn mma(&mut self, warps: u32) -> (String, Value) {
        let is_hopper = self.below(2) == 0;
        let (version, warps, instruction) = if is_hopper {
            (3, vec![4 * warps, 1], vec![16, 8 << self.below(6), 16])
        } else {
            (2, self.split(warps, 2), vec![16, 8])
        };
        let text = format!(
            "#ttg.nvidia_mma<{{versionMajor = {version}, versionMinor = 0, warpsPerCTA = {warps:?}, instrShape = {instruction:?}}}>"
        );
        (text, json!({"kind": "mma", "version": version, "warps": warps, "instruction": instruction}))
    }

    fn case(&mut self) -> (String, Value, Vec<u32>) {
        match self.below(4) {
            0 => {
                let rank = 1 + self.below(3) as usize;
                let (text, case) = self.parent(rank);
                (text, case, self.shape(rank))
            }
            1 => {
                let rank = 2 + self.below(2) as usize;
                let (text, case) = self.parent(rank);
                let dim = self.below(rank as u64);
                let text = format!("#ttg.slice<{{dim = {dim}, parent = {text}}}>");
                (text, json!({"kind": "slice", "dim": dim, "parent": case}), self.shape(rank - 1))
            }
            2 => {
                let warps = 1 << self.below(4);
                let (text, case) = self.mma(warps);
                let is_hopper = case["version"] == 3;
                // The second operand of wgmma is always in shared memory.
                let index = if is_hopper { 0 } else { self.below(2) };
                let k_width = if is_hopper { 2 } else { 1 << self.below(4) };
                let text = format!("#ttg.dot_op<{{opIdx = {index}, parent = {text}, kWidth = {k_width}}}>");
                // Triton wants a whole fragment along K.
                let mut shape: Vec<u32> = (0..2).map(|_| 16 << self.below(4)).collect();
                shape[1 - index as usize] = shape[1 - index as usize].max(k_width as u32 * 8);
                (text, json!({"kind": "dot", "index": index, "k_width": k_width, "parent": case}), shape)
            }
            _ => {
                // The vectors of a layout of another kind, in another order of their bits.
                let (text, _) = self.parent(2);
                let shape: Vec<u32> = (0..2).map(|_| 8 << self.below(4)).collect();
                let encoding = Encoding::parse(&text, &HashMap::new()).expect("a layout");
                let mut layout = encoding.layout(&shape).expect("laid out");
                for bases in [&mut layout.register, &mut layout.lane, &mut layout.warp] {
                    for at in (1..bases.len()).rev() {
                        bases.swap(at, self.below(at as u64 + 1) as usize);
                    }
                }
                let (register, lane, warp) = (layout.register, layout.lane, layout.warp);
                let text =
                    format!("#ttg.linear<{{register = {register:?}, lane = {lane:?}, warp = {warp:?}, block = []}}>");
                let case = json!({"kind": "linear", "register": register, "lane": lane, "warp": warp, "covers": shape});
                (text, case, shape)
            }
        }
    }
}

#[test]
fn layouts_are_what_triton_says() {
    let python = environment::managed().into_iter().find(|(version, _)| version == environment::GLUON_TRITON);
    let Some((_, python)) = python else {
        println!("skipped: Triton {} is not installed (`%triton 3.6.0` installs it)", environment::GLUON_TRITON);
        return;
    };
    let mut numbers = Numbers(5);
    let cases: Vec<_> = (0..CASES).map(|_| numbers.case()).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layouts/oracle.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut input = child.stdin.take().expect("its input");
    let lines: Vec<String> = cases
        .iter()
        .map(|(_, case, shape)| {
            let mut case = case.clone();
            case["shape"] = json!(shape);
            case.to_string()
        })
        .collect();
    let writer = std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("written").expect("written");
    let answers: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(answers.len(), CASES, "the oracle stopped at {:?}", cases.get(answers.len()));
    for ((text, _, shape), answer) in cases.iter().zip(answers) {
        let encoding = Encoding::parse(text, &HashMap::new()).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let own = encoding.layout(shape).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        assert_eq!(json!([own.register, own.lane, own.warp]), answer, "{text} of {shape:?}");
    }
}
