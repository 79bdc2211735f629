//! Random layouts of every kind: as TTGIR writes them, and as the oracle is asked.

use std::collections::HashMap;

use serde_json::{Value, json};
use warpbook_ir::layout::{Basis, Encoding};
use warpbook_test_support::random::Random;

/// One layout.
pub struct Case {
    /// As TTGIR has it.
    pub text: String,
    /// For the oracle.
    pub question: Value,
    /// Of the tensor.
    pub shape: Vec<u32>,
}

/// What a case is drawn from.
pub struct Numbers(pub Random);

impl Numbers {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound as usize) as u64
    }

    fn power(&mut self, bits: u64) -> u32 {
        1 << self.below(bits)
    }

    fn is(&mut self) -> bool {
        self.below(2) == 0
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
        self.shuffle(&mut order);
        order
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at as u64 + 1) as usize);
        }
    }

    fn shape(&mut self, rank: usize) -> Vec<u32> {
        (0..rank).map(|_| self.power(9)).collect()
    }

    /// How the blocks of a cluster share a tensor: as TTGIR has it in one of its two forms, the vectors, and how many
    /// parts there are along each dimension.
    fn cluster(&mut self, rank: usize) -> (String, Vec<Basis>, Vec<u32>) {
        let blocks = if self.is() { 1 } else { 1 << self.below(4) };
        let per_cluster = self.split(blocks, rank);
        let parts: Vec<u32> = per_cluster.iter().map(|&count| 1 << self.below(u64::from(count.ilog2()) + 1)).collect();
        let order = self.order(rank);
        let mut bases: Vec<Basis> = Vec::new();
        for &dimension in &order {
            for bit in 0..per_cluster[dimension].ilog2() {
                let mut basis = vec![0; rank];
                basis[dimension] = if bit < parts[dimension].ilog2() { 1 << bit } else { 0 };
                bases.push(basis);
            }
        }
        let text = if self.is() {
            format!(", CTAsPerCGA = {per_cluster:?}, CTASplitNum = {parts:?}, CTAOrder = {order:?}")
        } else if bases.is_empty() {
            String::new()
        } else {
            // Newer Tritons have any order of the bits.
            self.shuffle(&mut bases);
            let mut next = vec![1; rank];
            for basis in &mut bases {
                for (coordinate, next) in basis.iter_mut().zip(&mut next).filter(|(coordinate, _)| **coordinate > 0) {
                    *coordinate = *next;
                    *next *= 2;
                }
            }
            format!(", CGALayout = {bases:?}")
        };
        (text, bases, parts)
    }

    fn blocked(&mut self, rank: usize, warps: u32) -> (String, Value, Vec<u32>) {
        let each = self.power(5);
        let (size, threads, warps) = (self.split(each, rank), self.split(32, rank), self.split(warps, rank));
        let order = self.order(rank);
        let (blocks, cluster, parts) = self.cluster(rank);
        let text = format!(
            "#ttg.blocked<{{sizePerThread = {size:?}, threadsPerWarp = {threads:?}, warpsPerCTA = {warps:?}, order = {order:?}{blocks}}}>"
        );
        let case = json!({
            "kind": "blocked", "size": size, "threads": threads, "warps": warps, "order": order, "cluster": cluster,
        });
        (text, case, parts)
    }

    fn mma(&mut self, warps: u32, rank: usize) -> (String, Value, Vec<u32>) {
        let is_hopper = rank == 2 && self.is();
        let (version, warps, instruction) = match (is_hopper, rank) {
            (true, _) => (3, vec![4 * warps, 1], vec![16, 8 << self.below(6), 16]),
            (_, 3) => (2, self.split(warps, 3), vec![1, 16, 8]),
            _ => (2, self.split(warps, 2), vec![16, 8]),
        };
        let (blocks, cluster, parts) = self.cluster(rank);
        let text = format!(
            "#ttg.nvidia_mma<{{versionMajor = {version}, versionMinor = 0, warpsPerCTA = {warps:?}{blocks}, instrShape = {instruction:?}}}>"
        );
        let case = json!({
            "kind": "mma", "version": version, "warps": warps, "instruction": instruction, "cluster": cluster,
        });
        (text, case, parts)
    }

    /// A layout of `rank` dimensions, and the parts of a cluster along them.
    fn parent(&mut self, rank: usize) -> (String, Value, Vec<u32>) {
        let warps = self.power(4);
        if rank >= 2 && self.is() { self.mma(warps, rank) } else { self.blocked(rank, warps) }
    }

    fn dot(&mut self, with_mma: bool) -> (String, Value, Vec<u32>) {
        let rank = if self.below(4) == 0 { 3 } else { 2 };
        let warps = self.power(4);
        let (text, case, parts) = if with_mma { self.mma(warps, rank) } else { self.blocked(rank, warps) };
        let is_hopper = case["version"] == 3;
        // The second operand of wgmma is always in shared memory.
        let index = if is_hopper { 0 } else { self.below(2) as usize };
        let k_width = match (with_mma, is_hopper) {
            (false, _) => 0,
            (_, true) => 2,
            _ => 1 << self.below(4),
        };
        let width = if with_mma { format!(", kWidth = {k_width}") } else { String::new() };
        let text = format!("#ttg.dot_op<{{opIdx = {index}, parent = {text}{width}}}>");
        // Triton wants a whole fragment along K.
        let mut shape: Vec<u32> = (0..rank).map(|_| 16 << self.below(4)).collect();
        if rank == 3 {
            shape[0] = self.power(4);
        }
        let k = rank - 1 - index;
        shape[k] = shape[k].max(k_width * 8);
        shape.iter_mut().zip(parts).for_each(|(extent, parts)| *extent = (*extent).max(parts));
        (text, json!({"kind": "dot", "index": index, "k_width": k_width, "parent": case}), shape)
    }

    /// The vectors of a layout of another kind, in another order of their bits.
    fn linear(&mut self) -> (String, Value, Vec<u32>) {
        let (text, _, parts) = self.parent(2);
        let shape: Vec<u32> = parts.iter().map(|&parts| (8 << self.below(4)).max(parts)).collect();
        let encoding = Encoding::parse(&text, &HashMap::new()).expect("a layout");
        let mut layout = encoding.layout(&shape).expect("laid out");
        for bases in [&mut layout.register, &mut layout.lane, &mut layout.warp, &mut layout.block] {
            self.shuffle(bases);
        }
        let (register, lane, warp, block) = (layout.register, layout.lane, layout.warp, layout.block);
        let text =
            format!("#ttg.linear<{{register = {register:?}, lane = {lane:?}, warp = {warp:?}, block = {block:?}}}>");
        let case = json!({
            "kind": "linear", "register": register, "lane": lane, "warp": warp, "block": block, "covers": shape,
        });
        (text, case, shape)
    }

    pub fn swizzled(&mut self) -> (String, Value, Vec<u32>) {
        let rank = 1 + self.below(3) as usize;
        let (vec, per_phase, max_phase) = (self.power(5), self.power(4), self.power(4));
        let order = self.order(rank);
        let (blocks, cluster, parts) = self.cluster(rank);
        let shape = parts.iter().map(|&parts| 2 * self.power(7) * parts).collect();
        let text = format!(
            "#ttg.swizzled_shared<{{vec = {vec}, perPhase = {per_phase}, maxPhase = {max_phase}, order = {order:?}{blocks}}}>"
        );
        let case = json!({
            "kind": "swizzled", "vec": vec, "per_phase": per_phase, "max_phase": max_phase, "order": order,
            "cluster": cluster,
        });
        (text, case, shape)
    }

    pub fn nvmma(&mut self) -> (String, Value, Vec<u32>) {
        let rank = 2 + self.below(2) as usize;
        let fp4_padded = self.below(6) == 0;
        let bits = if fp4_padded { 8 } else { 8 << self.below(3) };
        let swizzle = if fp4_padded { 128 } else { [0, 32, 64, 128][self.below(4) as usize] };
        let transposed = !fp4_padded && self.is();
        let (blocks, cluster, parts) = self.cluster(rank);
        let contiguous = if transposed { 0 } else { rank - 1 };
        // Eight rows of the swizzle at least.
        let mut part: Vec<u32> = (0..rank).map(|_| 8 << self.below(4)).collect();
        if rank == 3 {
            part[1] = self.power(4);
        }
        let wide = (8 * swizzle / bits / if fp4_padded { 2 } else { 1 }).max(1);
        part[contiguous] = wide << self.below(4);
        let shape: Vec<u32> = part.iter().zip(parts).map(|(part, parts)| part * parts).collect();
        let padded = if fp4_padded { ", fp4Padded = true" } else { "" };
        let rank_text = if rank == 3 { ", rank = 3" } else { "" };
        let text = format!(
            "#ttg.nvmma_shared<{{swizzlingByteWidth = {swizzle}, transposed = {transposed}, elementBitWidth = {bits}{padded}{blocks}{rank_text}}}>"
        );
        let case = json!({
            "kind": "nvmma", "swizzle": swizzle, "transposed": transposed, "bits": bits, "rank": rank,
            "fp4_padded": fp4_padded, "cluster": cluster,
        });
        (text, case, shape)
    }

    /// The vectors of offset and block numbers of a tensor, in some order.
    fn offsets(&mut self, rank: usize) -> (Vec<Basis>, Vec<Basis>, Vec<u32>) {
        let shape: Vec<u32> = (0..rank).map(|_| 4 << self.below(5)).collect();
        let mut bases: Vec<Basis> = Vec::new();
        for (dimension, extent) in shape.iter().enumerate() {
            for bit in 0..extent.ilog2() {
                let mut basis = vec![0; rank];
                basis[dimension] = 1 << bit;
                bases.push(basis);
            }
        }
        // Blocks have the halves of a dimension.
        let block = if self.is() { vec![bases.pop().expect("a vector")] } else { Vec::new() };
        self.shuffle(&mut bases);
        (bases, block, shape)
    }

    fn padded(&mut self) -> (String, Value, Vec<u32>) {
        let rank = 1 + self.below(3) as usize;
        let mut intervals: Vec<u32> = (1..=1 + self.below(2) as u32).map(|at| 1 << (3 * at)).collect();
        self.shuffle(&mut intervals);
        let paddings: Vec<[u32; 2]> = intervals.iter().map(|&interval| [interval, self.power(4)]).collect();
        let text: Vec<String> = paddings.iter().map(|[interval, padding]| format!("{interval}:+{padding}")).collect();
        let text = text.join(", ");
        let (offset, block, shape) = self.offsets(rank);
        if self.is() {
            let order = self.order(rank);
            let mut offset: Vec<Basis> = Vec::new();
            for &dimension in &order {
                for bit in 0..shape[dimension].ilog2() {
                    let mut basis = vec![0; rank];
                    basis[dimension] = 1 << bit;
                    offset.push(basis);
                }
            }
            let text = format!("#ttg.padded_shared<[{text}] {{order = {order:?}, shape = {shape:?}}}>");
            return (text, json!({"kind": "padded", "paddings": paddings, "offset": offset, "block": []}), shape);
        }
        let text = format!("#ttg.padded_shared<[{text}] {{offset = {offset:?}, block = {block:?}}}>");
        (text, json!({"kind": "padded", "paddings": paddings, "offset": offset, "block": block}), shape)
    }

    fn shared_linear(&mut self) -> (String, Value, Vec<u32>) {
        let rank = 1 + self.below(3) as usize;
        let (mut offset, block, shape) = self.offsets(rank);
        // Swizzles: one vector goes over another.
        for _ in 0..self.below(4) {
            let (from, to) = (self.below(offset.len() as u64) as usize, self.below(offset.len() as u64) as usize);
            if from != to {
                let other = offset[from].clone();
                offset[to].iter_mut().zip(other).for_each(|(coordinate, other)| *coordinate ^= other);
            }
        }
        let text = format!("#ttg.shared_linear<{{offset = {offset:?}, block = {block:?}}}, alignment = 16>");
        (text, json!({"kind": "shared_linear", "offset": offset, "block": block}), shape)
    }

    fn tensor_memory(&mut self) -> (String, Value, Vec<u32>) {
        let two = self.below(4) == 0;
        let (along_m, along_n) = if two { (2, 1) } else { (self.power(2), self.power(2)) };
        let block_m: u32 = 64 << self.below(2);
        let block_n: u32 = 16 << self.below(4);
        // Two blocks of 64 rows share the columns.
        let rows = (block_m * along_m) << if two && block_m == 64 { 0 } else { self.below(2) };
        let columns = (block_n * along_n) << self.below(2);
        let bits = 16 << self.below(2);
        let unpacked = bits == 16 && self.is();
        let stride = if unpacked { 2 } else { 1 };
        let stride_text = match (unpacked, self.is()) {
            (true, true) => "unpacked = true".to_owned(),
            (false, true) => "unpacked = false".to_owned(),
            _ => format!("colStride = {stride}"),
        };
        let mut text = format!("blockM = {block_m}, blockN = {block_n}, {stride_text}");
        let mut cluster: Vec<Basis> = Vec::new();
        for (name, parts, basis) in [("CTASplitM", along_m, [1, 0]), ("CTASplitN", along_n, [0, 1])] {
            if parts > 1 {
                text += &format!(", {name} = {parts}");
                cluster.push(basis.to_vec());
            }
        }
        if two {
            text += ", twoCTAs = true";
        }
        let text = format!("#ttng.tensor_memory_encoding<{text}>");
        let case = json!({
            "kind": "tensor_memory", "block": [block_m, block_n], "stride": stride, "split": [along_m, along_n],
            "two": two, "bits": bits, "cluster": cluster,
        });
        (text, case, vec![rows, columns])
    }

    /// The kinds take turns.
    pub fn case(&mut self, at: usize) -> Case {
        let (text, mut question, shape) = match at % 12 {
            0 | 1 => {
                let rank = 1 + self.below(3) as usize;
                let (text, case, parts) = self.parent(rank);
                let shape = self.shape(rank).iter().zip(parts).map(|(&extent, parts)| extent.max(parts)).collect();
                (text, case, shape)
            }
            2 => {
                let rank = 2 + self.below(2) as usize;
                let (text, case, mut parts) = self.parent(rank);
                let dim = self.below(rank as u64) as usize;
                parts.remove(dim);
                let shape = self.shape(rank - 1).iter().zip(parts).map(|(&extent, parts)| extent.max(parts)).collect();
                let text = format!("#ttg.slice<{{dim = {dim}, parent = {text}}}>");
                (text, json!({"kind": "slice", "dim": dim, "parent": case}), shape)
            }
            3 | 4 => self.dot(true),
            5 => self.dot(false),
            6 => self.linear(),
            7 => self.swizzled(),
            8 => self.nvmma(),
            9 => self.padded(),
            10 => self.shared_linear(),
            _ => self.tensor_memory(),
        };
        question["shape"] = json!(shape);
        Case { text, question, shape }
    }

    /// A tensor in registers, a layout of shared memory, and how many bits an element has.
    pub fn conflict(&mut self) -> ([Case; 2], u32) {
        let bits = 8 << self.below(3);
        let registers = loop {
            let (text, question, parts) = self.blocked(2, 4);
            if parts.iter().all(|&parts| parts == 1) && question["cluster"] == json!([]) {
                break Case { text, question, shape: vec![128, 128] };
            }
        };
        let memory = loop {
            let (text, question, shape) = if self.is() { self.swizzled() } else { self.nvmma() };
            let alone = question["cluster"] == json!([]) && shape.len() == 2;
            let fits = question["bits"].as_u64().is_none_or(|own| own == bits) && question["fp4_padded"] != json!(true);
            // Swizzles within a word of a bank: Triton counts fewer conflicts than there are words.
            let is_whole = question["vec"].as_u64().is_none_or(|vec| vec * bits >= 32);
            if alone && fits && is_whole {
                break Case { text, question, shape: vec![128, 128] };
            }
        };
        ([registers, memory], bits as u32)
    }
}
