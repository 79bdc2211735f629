//! The inputs of the recorded vectors, made of a case's number; benches/gpu/inputs.py makes the same.

use serde_json::Value;
use warpbook_test_support::random::Random;

/// Name, bits of exponent and mantissa; 0 bits of exponent: an integer of so many bits.
const TYPES: [(&str, u32, u32); 12] = [
    ("f16", 5, 10),
    ("bf16", 8, 7),
    ("f32", 8, 23),
    ("f64", 11, 52),
    ("e4m3", 4, 3),
    ("e5m2", 5, 2),
    ("tf32", 8, 23),
    ("i8", 0, 8),
    ("i16", 0, 16),
    ("i32", 0, 32),
    ("i64", 0, 64),
    ("shift", 0, 32),
];

/// 64 bits that a number decides.
fn mix(x: u64) -> u64 {
    Random(x).next()
}

fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// What a type's elements are made of.
struct Type {
    name: &'static str,
    salt: u64,
    exponent: u32,
    mantissa: u32,
    width: u32,
    specials: Vec<u64>,
}

impl Type {
    fn of(name: &str) -> Self {
        let at = TYPES.iter().position(|ty| ty.0 == name).unwrap_or_else(|| panic!("no type `{name}`"));
        let (name, exponent, mantissa) = TYPES[at];
        let width = mantissa + exponent + u32::from(exponent > 0);
        Self { name, salt: (at as u64) << 48, exponent, mantissa, width, specials: specials(exponent, mantissa) }
    }

    fn bias(&self) -> u64 {
        (1 << (self.exponent - 1)) - 1
    }

    fn top(&self) -> u64 {
        (1 << self.exponent) - 1
    }

    fn scalar(&self, operand: u64, index: u64) -> u64 {
        let r = mix((index * 8).wrapping_add(operand).wrapping_add(self.salt));
        let (values, pick) = (mix(r) & mask(self.width), r >> 8);
        let choice = r % 8;
        if self.name == "shift" {
            return if choice == 7 { values } else { pick % 80 };
        }
        let sign = if self.exponent == 0 { 0 } else { (r >> 60 & 1) << (self.width - 1) };
        let fraction = values & mask(self.mantissa);
        let moderate = || match self.exponent {
            0 => values >> (pick % u64::from(self.width)),
            _ => sign | (self.bias().wrapping_sub(6).wrapping_add(pick % 12)) << self.mantissa | fraction,
        };
        match choice {
            0 | 1 => self.specials[(pick % self.specials.len() as u64) as usize],
            2 | 3 => values,
            6 if operand > 0 => {
                let flip = (r >> 20 & 1) << (self.width - 1);
                let near = (self.scalar(0, index) ^ flip).wrapping_add((r >> 24) % 5).wrapping_sub(2);
                near & mask(self.width)
            }
            7 if self.exponent == 0 => {
                let power = 1u64 << (pick % u64::from(self.width));
                power.wrapping_add((r >> 16) % 3).wrapping_sub(1) & mask(self.width)
            }
            7 => {
                let integral = (self.bias() + u64::from(self.mantissa)).min(self.top() - 1);
                sign | [0, 1, self.top() - 1, integral][(pick % 4) as usize] << self.mantissa | fraction
            }
            _ => moderate(),
        }
    }

    /// An element of a tile: what it is like depends on the tile, so that not every sum is NaN.
    fn matrix(&self, operand: u64, index: u64, tile: u64) -> u64 {
        let r = mix((index * 8).wrapping_add(operand).wrapping_add(self.salt + (1 << 60)));
        let values = mix(r) & mask(self.width);
        if self.exponent == 0 {
            return values;
        }
        let (kind, pick, bias) = (index / tile % 8, r >> 8, self.bias());
        if kind == 5 && r.is_multiple_of(32) {
            return self.specials[((r >> 32) % self.specials.len() as u64) as usize];
        }
        let spread = 20.min(bias - 1);
        let field = match kind {
            2 => bias - 1 + pick % 2,
            3 => bias - spread + pick % (2 * spread),
            4 => pick % 4,
            6 => self.top() - 4 + pick % 4,
            7 => pick % self.top(),
            _ => bias - 4 + pick % 8,
        };
        (r >> 60 & 1) << (self.exponent + self.mantissa) | field << self.mantissa | values & mask(self.mantissa)
    }
}

fn specials(exponent: u32, mantissa: u32) -> Vec<u64> {
    if exponent == 0 {
        let ones = mask(mantissa);
        let half = ones >> 1;
        let patterns = [ones & 0x5555_5555_5555_5555, ones & 0x00ff_00ff_00ff_00ff];
        return [0, 1, 2, 3, 7, ones, ones - 1, half, half + 1, half - 1].into_iter().chain(patterns).collect();
    }
    let bias = (1u64 << (exponent - 1)) - 1;
    let (unit, one, infinity) = (1u64 << mantissa, bias << mantissa, mask(exponent) << mantissa);
    let positive = [
        0,
        1,
        2,
        unit - 1,
        unit,
        one,
        one + 1,
        one - 1,
        one + unit,
        one - unit,
        one | unit >> 1,
        infinity - 1,
        infinity,
        infinity | unit >> 1,
        infinity | 1,
        (bias + u64::from(mantissa)) << mantissa,
        (bias + u64::from(mantissa) + 1) << mantissa,
        infinity | (unit - 1),
    ];
    positive.into_iter().chain(positive.map(|value| value | 1 << (exponent + mantissa))).collect()
}

/// The bytes of an operand: `type`, `count` elements for each case, of tiles of `tile` elements, or `all` values.
pub fn operand(number: usize, source: &Value, cases: u64) -> Vec<u8> {
    let ty = Type::of(source["type"].as_str().expect("a type"));
    let count = cases * source["count"].as_u64().expect("a count");
    let (all, tile) = (source["all"] == true, source["tile"].as_u64());
    let size = ty.width as usize / 8;
    let mut bytes = Vec::with_capacity(count as usize * size);
    for index in 0..count {
        let value = match tile {
            _ if all => index,
            Some(tile) => ty.matrix(number as u64, index, tile),
            None => ty.scalar(number as u64, index),
        };
        bytes.extend_from_slice(&value.to_le_bytes()[..size]);
    }
    bytes
}
