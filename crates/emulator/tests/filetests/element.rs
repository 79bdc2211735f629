//! Element types of a filetest's buffers and scalars: how their values are written and shown.

/// An element type.
#[derive(Clone, Copy)]
pub struct Element {
    /// Its name in a head line.
    pub name: &'static str,
    /// Bytes of an element.
    pub size: usize,
    parse: fn(&str) -> Option<u64>,
    show: fn(u64) -> String,
}

const ELEMENTS: [Element; 9] = [
    Element { name: "u8", size: 1, parse: integer, show: |bits| (bits as u8).to_string() },
    Element { name: "u16", size: 2, parse: integer, show: |bits| (bits as u16).to_string() },
    Element { name: "x16", size: 2, parse: integer, show: |bits| format!("0x{bits:04x}") },
    Element { name: "u32", size: 4, parse: integer, show: |bits| (bits as u32).to_string() },
    Element { name: "s32", size: 4, parse: integer, show: |bits| (bits as i32).to_string() },
    Element { name: "x32", size: 4, parse: integer, show: |bits| format!("0x{bits:08x}") },
    Element { name: "u64", size: 8, parse: integer, show: |bits| bits.to_string() },
    Element {
        name: "f32",
        size: 4,
        parse: |text| text.parse::<f32>().ok().map(|value| value.to_bits().into()),
        show: |bits| format!("{:?}", f32::from_bits(bits as u32)),
    },
    Element {
        name: "f64",
        size: 8,
        parse: |text| text.parse::<f64>().ok().map(f64::to_bits),
        show: |bits| format!("{:?}", f64::from_bits(bits)),
    },
];

fn integer(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse::<i128>().ok().map(|value| value as u64),
    }
}

impl Element {
    /// The element type of a name.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = ELEMENTS.iter().find(|element| element.name == name);
        found.copied().ok_or_else(|| format!("no element type `{name}`"))
    }

    /// The bytes of values such as `1 2 3*4` (three, four times).
    pub fn bytes(self, text: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for word in text.split_whitespace() {
            let (value, count) = word.split_once('*').unwrap_or((word, "1"));
            let bits = (self.parse)(value).ok_or_else(|| format!("`{value}` is no {}", self.name))?;
            let count = count.parse::<usize>().map_err(|_| format!("`{count}` is no count"))?;
            for _ in 0..count {
                bytes.extend_from_slice(&bits.to_le_bytes()[..self.size]);
            }
        }
        Ok(bytes)
    }

    /// Values without zeros at the end, runs of four and more folded.
    pub fn show(self, bytes: &[u8]) -> String {
        let value = warpbook_gpu::u64_from_le;
        let mut bits: Vec<u64> = bytes.chunks(self.size).map(value).collect();
        while bits.last() == Some(&0) {
            bits.pop();
        }
        let words = bits.chunk_by(|a, b| a == b).flat_map(|run| {
            let value = (self.show)(run[0]);
            if run.len() >= 4 { vec![format!("{value}*{}", run.len())] } else { vec![value; run.len()] }
        });
        words.collect::<Vec<_>>().join(" ")
    }
}
