//! The body of a layout attribute: `name = value` pairs.

use super::linear::{Basis, Cluster};
use super::unsupported::Unsupported;

/// `name = value` pairs of an attribute's body.
pub(super) struct Fields<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Fields<'a> {
    pub fn parse(body: &'a str) -> Self {
        let (mut fields, mut depth, mut start) = (Vec::new(), 0_usize, 0);
        for (at, c) in body.char_indices().chain([(body.len(), ',')]) {
            match c {
                '[' | '{' | '<' | '(' => depth += 1,
                ']' | '}' | '>' | ')' => depth = depth.saturating_sub(1),
                ',' if depth == 0 || at == body.len() => {
                    if let Some((name, value)) = body[start..at].split_once('=') {
                        fields.push((name.trim(), value.trim()));
                    }
                    start = (at + 1).min(body.len());
                }
                _ => {}
            }
        }
        Self(fields)
    }

    pub fn text(&self, name: &str) -> Result<&'a str, Unsupported> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value).ok_or_else(|| Unsupported(format!("a layout without `{name}`")))
    }

    pub fn number(&self, name: &str) -> Result<u32, Unsupported> {
        let text = self.text(name)?;
        let number = text.split(':').next().and_then(|number| number.trim().parse().ok());
        number.ok_or_else(|| Unsupported(format!("`{name} = {text}`")))
    }

    pub fn numbers(&self, name: &str) -> Option<Vec<u32>> {
        let inside = self.text(name).ok()?.strip_prefix('[')?.strip_suffix(']')?;
        inside.split(',').map(|number| number.trim().parse().ok()).collect()
    }

    /// Powers of two that a piece of hardware may have; for `order`, dimensions.
    pub fn need(&self, name: &str) -> Result<Vec<u32>, Unsupported> {
        let numbers = self.numbers(name).ok_or_else(|| Unsupported(format!("a layout without `{name}`")))?;
        let fits = |number: &u32| name == "order" || number.is_power_of_two() && *number <= 4096;
        if numbers.iter().all(fits) { Ok(numbers) } else { Err(Unsupported(format!("`{name} = {numbers:?}`"))) }
    }

    /// `order = [1, 0]`: each dimension once.
    pub fn order(&self) -> Result<Vec<usize>, Unsupported> {
        let order: Vec<usize> = self.need("order")?.into_iter().map(|dimension| dimension as usize).collect();
        let whole = (0..order.len()).all(|dimension| order.contains(&dimension));
        if whole { Ok(order) } else { Err(Unsupported(format!("`order = {order:?}`"))) }
    }

    /// `[[0, 1], [8, 0]]`, none where it is not said. All of one length, and none too long.
    pub fn bases(&self, names: &[&str]) -> Result<Vec<Vec<Basis>>, Unsupported> {
        let all: Vec<Vec<Basis>> = names.iter().map(|name| self.text(name).map(vectors).unwrap_or_default()).collect();
        let rank = all.iter().flatten().map(Vec::len).max().unwrap_or(1);
        let fits = |basis: &Basis| basis.len() == rank && basis.iter().all(|&coordinate| coordinate <= 1 << 20);
        if !all.iter().flatten().all(fits) {
            return Err(Unsupported("vectors of different lengths, or too long ones".to_owned()));
        }
        if all.iter().any(|bases| bases.len() > 20) || all.iter().map(Vec::len).sum::<usize>() > 24 {
            return Err(Unsupported("more than 24 bits of a number".to_owned()));
        }
        Ok(all)
    }

    /// The blocks of a cluster: `CGALayout`, or the three lists of older Tritons; a single block where nothing is said.
    pub fn cluster(&self) -> Result<Cluster, Unsupported> {
        if self.text("CGALayout").is_ok() {
            let cluster = Cluster(self.bases(&["CGALayout"])?.remove(0));
            return Ok(cluster);
        }
        if self.text("CTAsPerCGA").is_err() {
            return Ok(Cluster::default());
        }
        let (blocks, split) = (self.need("CTAsPerCGA")?, self.need("CTASplitNum")?);
        let order = self.numbers("CTAOrder").unwrap_or_default();
        let order: Vec<usize> = order.into_iter().map(|dimension| dimension as usize).collect();
        let fits = blocks.len() == order.len() && split.len() == order.len();
        let in_range = order.iter().all(|&dimension| dimension < order.len());
        let count: u64 = blocks.iter().map(|&count| u64::from(count)).product();
        if !fits || !in_range || count > 64 || blocks.iter().zip(&split).any(|(blocks, split)| split > blocks) {
            return Err(Unsupported(format!("clusters of {blocks:?} blocks split into {split:?}")));
        }
        Ok(Cluster::dealt(&blocks, &split, &order))
    }

    /// A power of two up to a limit.
    pub fn power(&self, name: &str, most: u32) -> Result<u32, Unsupported> {
        let number = self.number(name)?;
        let fits = number.is_power_of_two() && number <= most;
        if fits { Ok(number) } else { Err(Unsupported(format!("`{name} = {number}`"))) }
    }
}

/// A power of two up to a limit.
pub(super) fn power_of_two(text: &str, most: u32) -> Option<u32> {
    text.trim().parse().ok().filter(|number: &u32| number.is_power_of_two() && *number <= most)
}

/// `[[0, 1], [8, 0]]`
pub(super) fn vectors(text: &str) -> Vec<Basis> {
    let inside = text.trim().strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or_default();
    let parts = inside.split(']').map(|part| part.trim_start_matches([',', ' ', '[']));
    let parts = parts.filter(|part| !part.trim().is_empty());
    parts.map(|part| part.split(',').filter_map(|number| number.trim().parse().ok()).collect()).collect()
}
