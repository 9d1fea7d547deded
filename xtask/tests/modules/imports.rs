//! The imports of one source file: its `use` declarations and the paths in its code.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// A path from the root of a crate, such as `report`, `json`, `render`. The root is empty.
pub(crate) type CratePath = Vec<String>;

/// What one module file imports and declares. Code that only tests compile is left out.
#[derive(Debug, Default)]
pub(crate) struct ModuleSource {
    /// Every path into this crate and the line that it is on.
    pub(crate) references: BTreeSet<(CratePath, usize)>,
    /// The names that this module re-exports from its own children, and where they come from.
    pub(crate) reexports: BTreeMap<String, CratePath>,
    /// The child modules that exist in tests only.
    pub(crate) test_modules: BTreeSet<CratePath>,
}

/// Reads a source file that is the module `module`.
///
/// # Errors
/// When it is not valid Rust.
pub(crate) fn read_module(module: &[String], text: &str) -> Result<ModuleSource, String> {
    let file = syn::parse_file(text).map_err(|error| error.to_string())?;
    let mut reader = Reader::new(module);
    // Names can be used before they are declared, so the declarations come first.
    file.items
        .iter()
        .for_each(|item| reader.declare_child(item));
    for item in &file.items {
        if let Item::Use(import) = item
            && !is_test_only(&import.attrs)
        {
            reader.read_use(import);
        }
    }
    reader.visit_file(&file);
    Ok(reader.source)
}

struct Reader {
    /// The module whose code is being read. Inside `mod x { ... }` this is not the file's module.
    module: CratePath,
    /// The modules that this file declares.
    children: BTreeSet<CratePath>,
    /// What the names that this file imports stand for.
    aliases: BTreeMap<String, CratePath>,
    source: ModuleSource,
}

impl Reader {
    fn new(module: &[String]) -> Self {
        Self {
            module: module.to_vec(),
            children: BTreeSet::new(),
            aliases: BTreeMap::new(),
            source: ModuleSource::default(),
        }
    }

    fn declare_child(&mut self, item: &Item) {
        if let Item::Mod(child) = item {
            let path = self.child_path(child.ident.to_string());
            if is_test_only(&child.attrs) {
                self.source.test_modules.insert(path.clone());
            }
            self.children.insert(path);
        }
    }

    fn child_path(&self, name: String) -> CratePath {
        [self.module.as_slice(), &[name]].concat()
    }

    fn read_use(&mut self, import: &ItemUse) {
        let is_exported = !matches!(import.vis, Visibility::Inherited);
        let mut leaves = Vec::new();
        flatten(&import.tree, &mut Vec::new(), &mut leaves);
        for leaf in leaves {
            let Some(path) = self.resolve(&leaf.segments) else {
                continue;
            };
            let is_descendant = path.len() > self.module.len() && path.starts_with(&self.module);
            if is_exported && is_descendant {
                self.source
                    .reexports
                    .insert(leaf.name.clone(), path.clone());
            } else {
                self.source.references.insert((path.clone(), leaf.line));
            }
            self.aliases.insert(leaf.name, path);
        }
    }

    /// The path from the root of the crate; nothing when it leads to another crate.
    fn resolve(&self, segments: &[String]) -> Option<CratePath> {
        let (first, rest) = segments.split_first()?;
        let start = match first.as_str() {
            "crate" => CratePath::new(),
            "self" => self.module.clone(),
            "super" => return self.resolve_parent(rest),
            name => match self.aliases.get(name) {
                Some(path) => path.clone(),
                None => Some(self.child_path(name.to_owned()))
                    .filter(|path| self.children.contains(path))?,
            },
        };
        Some([start.as_slice(), rest].concat())
    }

    /// The path after one `super`, which more of them can follow.
    fn resolve_parent(&self, segments: &[String]) -> Option<CratePath> {
        let more = segments
            .iter()
            .take_while(|segment| *segment == "super")
            .count();
        let depth = self.module.len().checked_sub(more + 1)?;
        Some([&self.module[..depth], &segments[more..]].concat())
    }

    fn add_reference(&mut self, segments: &[String], line: usize) {
        if let Some(path) = self.resolve(segments) {
            self.source.references.insert((path, line));
        }
    }

    /// Finds the paths in the arguments of a macro, which are not parsed.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for token in tokens {
            if matches!(&token, TokenTree::Punct(mark) if mark.as_char() == ':') {
                colons += 1;
                continue;
            }
            if colons != 2 {
                self.add_reference(&segments, line);
                segments.clear();
            }
            colons = 0;
            match token {
                TokenTree::Ident(name) => {
                    line = name.span().start().line;
                    segments.push(name.to_string());
                }
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        self.add_reference(&segments, line);
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_test_only(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, child: &'ast ItemMod) {
        self.module.push(child.ident.to_string());
        visit::visit_item_mod(self, child);
        self.module.pop();
    }

    fn visit_item_use(&mut self, import: &'ast ItemUse) {
        self.read_use(import);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| &segment.ident);
        let segments: Vec<String> = names.map(ToString::to_string).collect();
        let line = path
            .segments
            .first()
            .map_or(0, |segment| segment.ident.span().start().line);
        self.add_reference(&segments, line);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        self.read_tokens(call.tokens.clone());
    }

    /// `pub(super)` names a module, but imports nothing.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// One name that a `use` declaration brings in.
struct UseLeaf {
    segments: Vec<String>,
    name: String,
    line: usize,
}

fn flatten(tree: &UseTree, prefix: &mut Vec<String>, leaves: &mut Vec<UseLeaf>) {
    match tree {
        UseTree::Path(path) => {
            prefix.push(path.ident.to_string());
            flatten(&path.tree, prefix, leaves);
            prefix.pop();
        }
        UseTree::Group(group) => {
            for inner in &group.items {
                flatten(inner, prefix, leaves);
            }
        }
        UseTree::Name(name) => leaves.push(leaf(prefix, &name.ident, &name.ident)),
        UseTree::Rename(name) => leaves.push(leaf(prefix, &name.ident, &name.rename)),
        UseTree::Glob(glob) => leaves.push(UseLeaf {
            segments: prefix.clone(),
            name: "*".to_owned(),
            line: glob.star_token.spans[0].start().line,
        }),
    }
}

/// `use a::{self}` names `a`, not `a::self`.
fn leaf(prefix: &[String], original: &syn::Ident, name: &syn::Ident) -> UseLeaf {
    let mut segments = prefix.to_vec();
    if original != "self" || prefix.is_empty() {
        segments.push(original.to_string());
    }
    let name = if name == "self" {
        segments.last().cloned().unwrap_or_default()
    } else {
        name.to_string()
    };
    UseLeaf {
        segments,
        name,
        line: original.span().start().line,
    }
}

/// Whether `#[cfg(test)]` or `#[cfg(all(test, ...))]` is among the attributes.
fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let Ok(list) = attribute.meta.require_list() else {
            return false;
        };
        let condition = list.tokens.to_string().replace(' ', "");
        list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    use syn::{
        ItemConst, ItemEnum, ItemExternCrate, ItemFn, ItemForeignMod, ItemImpl, ItemMacro,
        ItemStatic, ItemStruct, ItemTrait, ItemTraitAlias, ItemType, ItemUnion,
    };
    match item {
        Item::Const(ItemConst { attrs, .. })
        | Item::Enum(ItemEnum { attrs, .. })
        | Item::ExternCrate(ItemExternCrate { attrs, .. })
        | Item::Fn(ItemFn { attrs, .. })
        | Item::ForeignMod(ItemForeignMod { attrs, .. })
        | Item::Impl(ItemImpl { attrs, .. })
        | Item::Macro(ItemMacro { attrs, .. })
        | Item::Mod(ItemMod { attrs, .. })
        | Item::Static(ItemStatic { attrs, .. })
        | Item::Struct(ItemStruct { attrs, .. })
        | Item::Trait(ItemTrait { attrs, .. })
        | Item::TraitAlias(ItemTraitAlias { attrs, .. })
        | Item::Type(ItemType { attrs, .. })
        | Item::Union(ItemUnion { attrs, .. })
        | Item::Use(ItemUse { attrs, .. }) => attrs,
        Item::Verbatim(_) | _ => &[],
    }
}
