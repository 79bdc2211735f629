//! Where the lanes of a warp are in the program.
//!
//! Lanes at one place are a [`Path`]. Where a branch divides them, the path becomes a parent that stands where they meet
//! again (the immediate post-dominator), and each side a child; the parent goes on when its children have come. Lanes that
//! wait, at a barrier or for the others named by the mask of a `.sync` instruction, keep their path, and the warp
//! executes another one meanwhile: each lane gets on by itself, as on sm_70 and later (CUDA C++ Programming Guide,
//! "Independent Thread Scheduling").
//!
//! The tree is kept in the order of a walk (parents before children), so that the path being executed is the last one,
//! and a warp that is not divided has one path.

use super::polling::Polling;

/// A place that no program counter has: lanes that only meet at the end.
pub(crate) const NOWHERE: u32 = u32::MAX;
/// Turns of a warp after which another of its paths is executed, even if the one before could go on.
const PATIENCE: u32 = 64;

/// What the lanes of a path wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing: they can go on.
    None,
    /// The barrier of this number; they have arrived at it.
    Barrier(u32),
    /// The end of this phase of the cluster's barrier.
    ClusterBarrier(u64),
    /// All lanes of the warp that have not ended, at this instruction (`.aligned`).
    Warp,
    /// The lanes in this mask, at an instruction of the same kind (`.sync` with a mask).
    Members(u32),
}

/// Lanes that are at one place.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// Index of the next operation.
    pub pc: u32,
    /// The lanes, a bit for each; those of the children too.
    pub mask: u32,
    /// What they wait for.
    pub wait: Wait,
    /// True if they pass the instruction without the lanes that it wants: those cannot come.
    pub alone: bool,
    /// True if lanes that it was to meet have gone on without it while it waited.
    pub overtaken: bool,
    /// Loops that the lanes go round while they wait.
    pub polling: Polling,
    /// Index of the operation at which they meet the others of their parent.
    reconverge: u32,
    /// Number of parents.
    depth: u32,
}

impl Path {
    /// Index of the operation at which the lanes wait.
    pub fn waits_at(&self) -> u32 {
        match self.wait {
            // They are past the barrier.
            Wait::Barrier(_) | Wait::ClusterBarrier(_) => self.pc.saturating_sub(1),
            Wait::Warp | Wait::Members(_) => self.pc,
            Wait::None => self.polling.last_test().unwrap_or(self.pc.saturating_sub(1)),
        }
    }
}

/// The places of the lanes of one warp.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    /// The path being executed is the last.
    tree: Vec<Path>,
    /// Lanes that have not ended.
    live: u32,
    /// Turns since another path was executed.
    turns: u32,
    /// Paths that have looked in vain, one after the other, since any lane did anything else.
    idle: usize,
}

impl Paths {
    /// Lanes at the first operation.
    pub fn new(mask: u32) -> Self {
        let first = Path {
            pc: 0,
            mask,
            wait: Wait::None,
            alone: false,
            overtaken: false,
            polling: Polling::default(),
            reconverge: NOWHERE,
            depth: 0,
        };
        Self { tree: vec![first], live: mask, turns: 0, idle: 0 }
    }

    /// Lanes that have not ended.
    #[inline(always)]
    pub fn live(&self) -> u32 {
        self.live
    }

    /// True if all lanes have ended.
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// True if the lanes are at more than one place.
    #[inline(always)]
    pub fn is_divided(&self) -> bool {
        self.tree.len() > 1
    }

    /// The path being executed; `None` when all lanes have ended.
    #[inline(always)]
    pub fn top(&self) -> Option<&Path> {
        self.tree.last()
    }

    /// The path being executed, to be changed.
    #[inline(always)]
    pub fn top_mut(&mut self) -> Option<&mut Path> {
        self.tree.last_mut()
    }

    /// Paths that have no children, the one being executed last.
    pub fn leaves(&self) -> impl DoubleEndedIterator<Item = &Path> {
        (0..self.tree.len()).filter(|&index| self.is_leaf(index)).map(|index| &self.tree[index])
    }

    /// Each path's place and lanes, for a hash.
    pub fn places(&self) -> impl Iterator<Item = [u32; 3]> {
        self.tree.iter().map(|path| [path.pc, path.reconverge, path.mask])
    }

    /// The place and the lanes of the path that is executed next; `None` if no lane can go on.
    #[inline(always)]
    pub fn current(&mut self) -> Option<(u32, u32)> {
        match self.tree.last() {
            Some(path) if path.mask != 0 && path.pc != path.reconverge && path.wait == Wait::None => {
                Some((path.pc, path.mask))
            }
            _ => self.settle(),
        }
    }

    /// The lanes being executed go on to the next operation.
    #[inline(always)]
    pub fn advance(&mut self) {
        if let Some(path) = self.tree.last_mut() {
            path.pc += 1;
        }
    }

    /// `taken` of the lanes being executed go to `target`, the others on.
    pub fn branch(&mut self, target: u32, reconverge: u32, taken: u32) {
        let Some(path) = self.tree.last_mut() else { return };
        let stay = path.mask & !taken;
        let next = path.pc + 1;
        if stay == 0 {
            path.pc = target;
        } else if taken == 0 {
            path.pc = next;
        } else if reconverge == NOWHERE {
            let side = Path { pc: target, mask: taken, ..path.clone() };
            (path.pc, path.mask) = (next, stay);
            self.tree.push(side);
        } else {
            path.pc = reconverge;
            let depth = path.depth + 1;
            let side = |(pc, mask)| Path { pc, mask, reconverge, depth, ..Path::clone(path) };
            let sides = [(next, stay), (target, taken)].map(side);
            self.tree.extend(sides.into_iter().filter(|side| side.pc != reconverge));
        }
    }

    /// Lanes leave the kernel.
    pub fn exit(&mut self, lanes: u32) {
        self.live &= !lanes;
        for path in &mut self.tree {
            path.mask &= !lanes;
        }
    }

    /// `lanes` of those being executed wait where they are; the others are executed next, from where they are.
    pub fn park(&mut self, lanes: u32, wait: Wait) {
        let Some(path) = self.tree.last_mut() else { return };
        if path.mask == lanes {
            path.wait = wait;
            return;
        }
        let parked = Path { mask: lanes, wait, ..path.clone() };
        path.mask &= !lanes;
        let last = self.tree.len() - 1;
        self.tree.insert(last, parked);
    }

    /// Of the lanes being executed, some are executed next from where they are; the others pass the operation, and are
    /// executed later.
    pub fn split(&mut self, lanes: u32) {
        let Some(path) = self.tree.last_mut() else { return };
        let passing = Path { pc: path.pc + 1, mask: path.mask & !lanes, ..path.clone() };
        path.mask &= lanes;
        let last = self.tree.len() - 1;
        self.tree.insert(last, passing);
    }

    /// Lanes go on that wait for something. True if there are any.
    pub fn wake(&mut self, lanes: u32, waits: impl Fn(Wait) -> bool) -> bool {
        let mut woken = false;
        for path in self.tree.iter_mut().filter(|path| path.mask & lanes != 0 && waits(path.wait)) {
            (path.wait, path.overtaken) = (Wait::None, false);
            woken = true;
        }
        woken
    }

    /// The lanes that wait at an instruction with [`Wait::Warp`], over all paths.
    pub fn gathered_at(&self, pc: u32) -> u32 {
        self.fold(|path| path.wait == Wait::Warp && path.pc == pc)
    }

    /// The lanes of all paths for which something holds.
    fn fold(&self, holds: impl Fn(&Path) -> bool) -> u32 {
        self.leaves().filter(|path| holds(path)).fold(0, |lanes, path| lanes | path.mask)
    }

    /// Paths for which something holds go on, as one path where they are at one place. `advance` puts them past the
    /// instruction that they waited at.
    pub fn release(&mut self, holds: impl Fn(&Path) -> bool, advance: bool) {
        let mut first: Option<usize> = None;
        let mut index = 0;
        while index < self.tree.len() {
            if self.is_leaf(index) && holds(&self.tree[index]) {
                let path = &mut self.tree[index];
                (path.wait, path.overtaken) = (Wait::None, false);
                path.pc += u32::from(advance);
                match first {
                    Some(first) if self.tree[first].pc == self.tree[index].pc => self.merge(index, first),
                    Some(_) => {}
                    None => first = Some(index),
                }
            }
            index += 1;
        }
        self.idle = 0;
    }

    /// The turn of the warp is over. After many, other lanes get on.
    pub fn turn_ends(&mut self) {
        self.idle = 0;
        if !self.is_divided() {
            return;
        }
        self.turns += 1;
        if self.turns >= PATIENCE {
            self.turns = 0;
            if !self.execute_another() {
                self.part_from_late();
            }
        }
    }

    /// The lanes being executed do nothing but wait for a change that others make. True if other lanes of the warp are
    /// executed now that may make it; false when all have looked in vain.
    pub fn yields(&mut self) -> bool {
        if !self.is_divided() {
            return false;
        }
        self.idle += 1;
        let ready = self.leaves().filter(|path| path.wait == Wait::None).count();
        if self.idle >= ready {
            if self.part_from_late() {
                self.idle = 0;
                return true;
            }
            self.idle = 0;
            self.execute_another();
            return false;
        }
        self.execute_another()
    }

    /// A path that has waited for something goes on alone; the lanes that it wants cannot come.
    pub fn release_alone(&mut self, holds: impl Fn(&Path) -> bool) -> bool {
        let Some(index) = (0..self.tree.len()).find(|&index| self.is_leaf(index) && holds(&self.tree[index])) else {
            return false;
        };
        (self.tree[index].wait, self.tree[index].alone) = (Wait::None, true);
        self.bring_to_top(index);
        true
    }

    /// Another path that can go on is executed next, if there is one: the one whose turn was longest ago.
    fn execute_another(&mut self) -> bool {
        let last = self.tree.len() - 1;
        let ready = |&index: &usize| self.is_leaf(index) && self.tree[index].wait == Wait::None;
        let Some(other) = (0..last).find(ready) else { return false };
        self.bring_to_top(other);
        true
    }

    /// Makes the last path one that can go on, and says where it is; `None` if there is none.
    fn settle(&mut self) -> Option<(u32, u32)> {
        loop {
            self.tree.retain(|path| path.mask != 0);
            let last = self.tree.len().checked_sub(1)?;
            let path = &self.tree[last];
            if path.wait == Wait::None {
                if path.pc == path.reconverge {
                    self.tree.pop();
                    continue;
                }
                self.join_at_place();
                return self.tree.last().map(|path| (path.pc, path.mask));
            }
            let ready = |&index: &usize| self.is_leaf(index) && self.tree[index].wait == Wait::None;
            match (0..last).rev().find(ready) {
                Some(index) => self.bring_to_top(index),
                None if self.part_from_late() => {}
                None => return None,
            }
        }
    }

    /// Lanes that have come to where they meet others go on without them, as these cannot come now. True if there are any.
    fn part_from_late(&mut self) -> bool {
        for index in (0..self.tree.len()).rev() {
            if self.is_leaf(index) {
                continue;
            }
            let end = self.end_of(index);
            let depth = self.tree[index].depth + 1;
            let children = self.tree[index + 1..end].iter().filter(|path| path.depth == depth);
            let late = children.fold(0, |lanes, path| lanes | path.mask);
            let path = &mut self.tree[index];
            let here = path.mask & !late;
            if here != 0 && late != 0 {
                self.tree[index + 1..end].iter_mut().for_each(|path| path.overtaken |= path.wait != Wait::None);
                let path = &mut self.tree[index];
                let parted = Path { mask: here, ..path.clone() };
                path.mask = late;
                self.tree.insert(end, parted);
                self.bring_to_top(end);
                return true;
            }
        }
        false
    }

    /// Paths that can go on from the place of the last one become one with it.
    fn join_at_place(&mut self) {
        let mut index = 0;
        while self.is_divided() && index + 1 < self.tree.len() {
            let last = self.tree.len() - 1;
            let (path, top) = (&self.tree[index], &self.tree[last]);
            if self.is_leaf(index) && path.wait == Wait::None && (path.pc, path.alone) == (top.pc, top.alone) {
                self.merge(index, last);
                self.tree.retain(|path| path.mask != 0);
                index = 0;
            } else {
                index += 1;
            }
        }
    }

    /// Lanes of one path go over to another one. The first is left without lanes.
    fn merge(&mut self, from: usize, to: usize) {
        let lanes = self.tree[from].mask;
        self.tree[from].mask = 0;
        let [left, entered] = [from, to].map(|leaf| self.parents(leaf));
        for &parent in left.iter().filter(|parent| !entered.contains(parent)) {
            self.tree[parent].mask &= !lanes;
        }
        for &parent in entered.iter().filter(|parent| !left.contains(parent)) {
            self.tree[parent].mask |= lanes;
        }
        self.tree[to].mask |= lanes;
    }

    /// The indices of a path's parents.
    fn parents(&self, leaf: usize) -> Vec<usize> {
        let mut depth = self.tree[leaf].depth;
        let mut parents = Vec::new();
        for index in (0..leaf).rev() {
            if self.tree[index].depth < depth {
                depth = self.tree[index].depth;
                parents.push(index);
            }
        }
        parents
    }

    fn is_leaf(&self, index: usize) -> bool {
        self.tree.get(index + 1).is_none_or(|next| next.depth <= self.tree[index].depth)
    }

    /// One past the last of a path's children, and theirs.
    fn end_of(&self, index: usize) -> usize {
        let depth = self.tree[index].depth;
        let after = &self.tree[index + 1..];
        after.iter().position(|path| path.depth <= depth).map_or(self.tree.len(), |length| index + 1 + length)
    }

    /// Makes a path the one being executed: it, and each of its parents, becomes the last among its siblings.
    fn bring_to_top(&mut self, mut leaf: usize) {
        let mut ancestors = self.parents(leaf);
        ancestors.reverse();
        ancestors.push(leaf);
        for level in 0..ancestors.len() {
            let first = ancestors[level];
            let end = self.end_of(first);
            let moved = self.tree.len() - end;
            self.tree[first..].rotate_left(end - first);
            for ancestor in &mut ancestors[level..] {
                *ancestor += moved;
            }
        }
        leaf = *ancestors.last().unwrap_or(&leaf);
        debug_assert!(leaf + 1 == self.tree.len(), "a path that is a leaf comes last");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(paths: &mut Paths) -> (u32, u32) {
        paths.current().expect("lanes that go on")
    }

    #[test]
    fn both_sides_are_executed_and_meet() {
        let mut paths = Paths::new(0xff);
        paths.branch(10, 20, 0x0f);
        assert_eq!(at(&mut paths), (10, 0x0f));
        paths.branch(20, 20, 0x0f);
        assert_eq!(at(&mut paths), (1, 0xf0));
        paths.branch(20, 20, 0xf0);
        assert_eq!(at(&mut paths), (20, 0xff));
        assert!(!paths.is_divided());
    }

    #[test]
    fn lanes_that_wait_let_the_other_side_and_then_those_that_have_met_go_on() {
        let mut paths = Paths::new(0xff);
        paths.branch(10, 20, 0x0f);
        paths.park(0x0f, Wait::Barrier(0));
        assert_eq!(at(&mut paths), (1, 0xf0), "the other side");
        paths.branch(20, 20, 0xf0);
        assert_eq!(at(&mut paths), (20, 0xf0), "it does not wait where they meet");
        paths.park(0xf0, Wait::Barrier(0));
        assert_eq!(paths.current(), None);
        assert!(paths.wake(0xff, |wait| wait == Wait::Barrier(0)));
        assert_eq!(at(&mut paths).1, 0xf0);
        paths.exit(0xf0);
        assert_eq!(at(&mut paths), (10, 0x0f));
    }

    #[test]
    fn lanes_released_at_one_place_are_one_path_again() {
        let mut paths = Paths::new(0xf);
        paths.branch(10, NOWHERE, 0x3);
        paths.park(0x3, Wait::Warp);
        assert_eq!(at(&mut paths), (1, 0xc));
        paths.branch(10, NOWHERE, 0xc);
        assert_eq!(at(&mut paths), (10, 0xc));
        paths.park(0xc, Wait::Warp);
        assert_eq!(paths.gathered_at(10), 0xf);
        paths.release(|path| path.wait == Wait::Warp, false);
        assert_eq!(at(&mut paths), (10, 0xf));
        assert!(!paths.is_divided());
    }

    #[test]
    fn lanes_of_different_depth_that_are_released_together_leave_their_parents() {
        let mut paths = Paths::new(0xf);
        paths.branch(10, 40, 0x3); // 0xc at 1, 0x3 at 10
        paths.branch(20, 30, 0x1); // 0x2 at 11, 0x1 at 20
        for lanes in [0x1, 0x2, 0xc] {
            assert_eq!(at(&mut paths).1, lanes);
            paths.top_mut().expect("a path").pc = 25;
            paths.park(lanes, Wait::Warp);
        }
        paths.release(|path| path.pc == 25, false);
        assert_eq!(at(&mut paths), (25, 0xf));
        paths.top_mut().expect("a path").pc = 30;
        at(&mut paths);
        paths.top_mut().expect("a path").pc = 40;
        assert_eq!(at(&mut paths), (40, 0xf));
        assert!(!paths.is_divided());
    }

    #[test]
    fn a_path_that_only_looks_yields_to_the_others_and_then_to_lanes_that_have_met() {
        let mut paths = Paths::new(0xf);
        paths.branch(5, 9, 0xe); // a loop at 5 for three lanes; one lane goes on at 1
        paths.top_mut().expect("a path").pc = 6;
        assert!(paths.yields(), "the lane at 1");
        assert_eq!(at(&mut paths), (1, 0x1));
        paths.branch(9, 9, 0x1);
        assert_eq!(at(&mut paths), (6, 0xe), "it has met nobody yet");
        assert!(paths.yields(), "it goes on without the others");
        assert_eq!(at(&mut paths), (9, 0x1));
        paths.park(0x1, Wait::Barrier(1));
        assert_eq!(at(&mut paths), (6, 0xe));
        assert!(!paths.yields(), "nobody is left");
    }

    #[test]
    fn lanes_that_were_released_from_a_barrier_meet_those_that_come_to_the_same_place() {
        let mut paths = Paths::new(0x3);
        paths.branch(10, NOWHERE, 0x1);
        paths.park(0x1, Wait::Barrier(0));
        assert_eq!(at(&mut paths), (1, 0x2));
        paths.top_mut().expect("a path").pc = 10;
        paths.park(0x2, Wait::Barrier(0));
        assert!(paths.wake(0x3, |wait| wait == Wait::Barrier(0)));
        assert_eq!(paths.settle(), Some((10, 0x3)));
    }
}
