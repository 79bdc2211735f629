//! Which file uses which: the files that define the names in a file's `use` declarations, paths and macro calls.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Path, Visibility};

use crate::names::{ModuleId, Names, is_reexport, leaves};
use crate::workspace::{FileId, Workspace, attributes, is_test_only};

/// The names by which one file uses others.
pub type Uses = BTreeMap<FileId, BTreeSet<String>>;

/// Arrows between the files of the workspace, from the file that uses to the file that defines.
pub struct Imports {
    /// Names that the code of a file uses, by file.
    pub used: Vec<Uses>,
    /// Names that a file only hands on (`pub use`), by file.
    pub handed_on: Vec<Uses>,
}

impl Imports {
    /// Resolves the names in all files.
    pub fn new(workspace: &Workspace) -> Self {
        let names = Names::new(workspace);
        let (mut used, mut handed_on) = (Vec::new(), Vec::new());
        for (id, file) in workspace.files.iter().enumerate() {
            let mut reader = Reader {
                names: &names,
                module: names.module_of_file(id).unwrap_or_default(),
                used: Uses::new(),
                handed_on: Uses::new(),
            };
            file.syntax.items.iter().for_each(|item| reader.visit_item(item));
            reader.used.remove(&id);
            reader.handed_on.remove(&id);
            used.push(reader.used);
            handed_on.push(reader.handed_on);
        }
        Self { used, handed_on }
    }
}

struct Reader<'a> {
    names: &'a Names,
    module: ModuleId,
    used: Uses,
    handed_on: Uses,
}

impl Reader<'_> {
    fn uses(&mut self, path: &[String]) {
        for file in self.names.resolve(self.module, path) {
            self.used.entry(file).or_default().insert(shown(path));
        }
    }

    /// Reads the paths in what a macro is given.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        // Colons since the last name: a name after two of them continues the path.
        let mut colons = 0;
        let mut after_dot = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if colons == 2 && !path.is_empty() => {
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Ident(name) => {
                    self.uses(&path);
                    path.clear();
                    // A field or a method, or what follows a path with generic arguments: no name of the module's.
                    if !after_dot && colons == 0 {
                        path.push(name.to_string());
                    }
                    colons = 0;
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                other => {
                    self.uses(&path);
                    path.clear();
                    colons = 0;
                    if let TokenTree::Group(group) = &other {
                        self.read_tokens(group.stream());
                    }
                    after_dot = matches!(&other, TokenTree::Punct(sign) if sign.as_char() == '.');
                    if matches!(&other, TokenTree::Group(group) if group.delimiter() == Delimiter::None) {
                        after_dot = false;
                    }
                    continue;
                }
            }
            after_dot = false;
        }
        self.uses(&path);
    }
}

impl Visit<'_> for Reader<'_> {
    fn visit_item(&mut self, item: &Item) {
        if !is_test_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &ImplItem) {
        if !matches!(item, ImplItem::Fn(function) if is_test_only(&function.attrs)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &ItemMod) {
        let Some((_, items)) = &item.content else { return };
        let outer = self.module;
        if let Some(module) = self.names.inline_module(outer, &item.ident.to_string()) {
            self.module = module;
            items.iter().for_each(|item| self.visit_item(item));
            self.module = outer;
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        for leaf in leaves(&item.tree) {
            let found = self.names.resolve(self.module, &leaf.path);
            let to = if is_reexport(item) { &mut self.handed_on } else { &mut self.used };
            for file in found {
                to.entry(file).or_default().insert(shown(&leaf.path));
            }
        }
    }

    fn visit_path(&mut self, path: &Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.uses(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &Macro) {
        visit::visit_macro(self, call);
        self.read_tokens(call.tokens.clone());
    }

    // Neither `pub(in path)` nor an attribute uses what a path in it names.
    fn visit_visibility(&mut self, _: &Visibility) {}
    fn visit_attribute(&mut self, _: &Attribute) {}
}

/// A path as a message shows it: the type that it names, or its last name.
fn shown(path: &[String]) -> String {
    let is_type = |name: &&String| name.starts_with(char::is_uppercase);
    path.iter().find(is_type).or(path.last()).cloned().unwrap_or_default()
}
