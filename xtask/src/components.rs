//! Cycles in a graph of files.

use std::collections::{BTreeMap, BTreeSet};

/// For each file the files that it uses.
pub type Graph = BTreeMap<usize, BTreeSet<usize>>;

/// The sets of files that reach each other, each of two files or more; the largest first. (Tarjan's algorithm.)
pub fn cycles(graph: &Graph) -> Vec<Vec<usize>> {
    let mut search = Search::new(graph);
    for file in graph.keys() {
        if !search.order.contains_key(file) {
            search.visit(*file);
        }
    }
    search.found.sort_by_key(|files| (std::cmp::Reverse(files.len()), files.first().copied()));
    search.found
}

struct Search<'a> {
    graph: &'a Graph,
    /// When a file was first met.
    order: BTreeMap<usize, usize>,
    /// The earliest file on the stack that a file reaches.
    lowest: BTreeMap<usize, usize>,
    stack: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph) -> Self {
        Self { graph, order: BTreeMap::new(), lowest: BTreeMap::new(), stack: Vec::new(), found: Vec::new() }
    }

    fn visit(&mut self, file: usize) -> usize {
        let index = self.order.len();
        self.order.insert(file, index);
        self.stack.push(file);
        let mut lowest = index;
        for used in self.graph.get(&file).into_iter().flatten() {
            if !self.order.contains_key(used) {
                lowest = lowest.min(self.visit(*used));
            } else if self.stack.contains(used) {
                lowest = lowest.min(self.order[used]);
            }
        }
        self.lowest.insert(file, lowest);
        if lowest == index {
            let start = self.stack.iter().rposition(|other| *other == file).unwrap_or_default();
            let mut files = self.stack.split_off(start);
            if files.len() > 1 {
                files.sort_unstable();
                self.found.push(files);
            }
        }
        lowest
    }
}

/// Few arrows without which the files of a cycle would have none: those that run up in an order in which files that are
/// used much stand low. (The greedy order of Eades, Lin and Smyth.)
pub fn arrows_up(graph: &Graph, files: &[usize]) -> Vec<(usize, usize)> {
    let mut left: BTreeSet<usize> = files.iter().copied().collect();
    let mut inside: Graph = Graph::new();
    for file in files {
        let used = graph.get(file).into_iter().flatten().copied().filter(|used| left.contains(used)).collect();
        inside.insert(*file, used);
    }
    let (mut top, mut bottom) = (Vec::new(), Vec::new());
    while !left.is_empty() {
        let out = |file: &usize| inside[file].iter().filter(|used| left.contains(used)).count();
        let into = |file: &usize| left.iter().filter(|other| inside[other].contains(file)).count();
        let next = if let Some(sink) = left.iter().find(|file| out(file) == 0) {
            bottom.push(*sink);
            *sink
        } else if let Some(source) = left.iter().find(|file| into(file) == 0) {
            top.push(*source);
            *source
        } else {
            let most = left.iter().max_by_key(|file| out(file) as isize - into(file) as isize).copied();
            let Some(most) = most else { break };
            top.push(most);
            most
        };
        left.remove(&next);
    }
    bottom.reverse();
    let place: BTreeMap<usize, usize> =
        top.into_iter().chain(bottom).enumerate().map(|(at, file)| (file, at)).collect();
    let mut up = Vec::new();
    for (file, used) in &inside {
        up.extend(used.iter().filter(|used| place[used] < place[file]).map(|used| (*file, *used)));
    }
    up
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(arrows: &[(usize, usize)]) -> Graph {
        let mut graph = Graph::new();
        for (from, to) in arrows {
            graph.entry(*from).or_default().insert(*to);
            graph.entry(*to).or_default();
        }
        graph
    }

    #[test]
    fn cycles_are_found_the_largest_first() {
        let graph = graph(&[(1, 2), (2, 1), (2, 3), (3, 4), (4, 5), (5, 3), (5, 6)]);
        assert_eq!(cycles(&graph), [vec![3, 4, 5], vec![1, 2]]);
    }

    #[test]
    fn a_graph_without_cycles_has_none() {
        let graph = graph(&[(1, 2), (1, 3), (2, 4), (3, 4)]);
        assert_eq!(cycles(&graph), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn one_arrow_up_closes_a_ring() {
        let graph = graph(&[(1, 2), (2, 3), (3, 4), (4, 1)]);
        assert_eq!(arrows_up(&graph, &[1, 2, 3, 4]).len(), 1);
    }

    #[test]
    fn arrows_up_are_few_where_many_point_down() {
        // 3 is used by all and uses 1.
        let graph = graph(&[(1, 2), (1, 3), (2, 3), (4, 3), (1, 4), (3, 1)]);
        assert_eq!(arrows_up(&graph, &[1, 2, 3, 4]), [(3, 1)]);
    }
}
