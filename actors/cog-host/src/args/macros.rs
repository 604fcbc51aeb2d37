//! The declarations that cogs are written with.

/// Declares a struct of arguments. Each field has one doc line: it is the text shown to users. `Option` makes a field
/// optional, `= value` gives it a default; required fields come first, and a [`Rest`](crate::Rest) comes last.
///
/// ```
/// use cog_host::{Args, Int, Rest};
/// cog_host::args! {
///     /// What `remind` takes.
///     pub struct RemindArgs {
///         /// How many times
///         times: Int<1, 10>,
///         /// What about
///         text: Option<Rest>,
///     }
/// }
/// assert_eq!(RemindArgs::params()[0].usage(), "<times>");
/// ```
#[macro_export]
macro_rules! args {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $(#[doc = $about:literal] $field:ident : $type:ty $(= $default:expr)?),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $(#[doc = $about] $vis $field: $type),*
        }

        impl $crate::Args for $name {
            fn params() -> ::std::vec::Vec<$crate::Param> {
                ::std::vec![$($crate::Param::of::<$type>(
                    ::std::stringify!($field),
                    $about.trim_ascii(),
                    <[&str]>::len(&[$(::std::stringify!($default))?]) > 0,
                )),*]
            }

            fn take(values: &mut $crate::Values) -> ::std::option::Option<Self> {
                ::std::option::Option::Some(Self {
                    $($field: values.next::<$type>(|| ::std::iter::Iterator::next(
                        &mut ::std::iter::IntoIterator::into_iter([$($default)?]),
                    ))?),*
                })
            }
        }
    };
}

/// Declares an enum whose variants are the choices of an argument; the text is what is typed and shown.
///
/// ```
/// use cog_host::{Kind, Value};
/// cog_host::choices! {
///     /// How loud.
///     pub enum Volume { Quiet = "quiet", Loud = "loud" }
/// }
/// assert_eq!(Volume::kind().expected(), "one of quiet, loud");
/// ```
#[macro_export]
macro_rules! choices {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$variant_meta])* #[doc = ::std::concat!("`", $text, "`")] $variant),+
        }

        impl $crate::Value for $name {
            fn kind() -> $crate::Kind {
                $crate::Kind::Choice(&[$($crate::Choice { name: $text }),+])
            }

            fn from_scalar(scalar: $crate::Scalar) -> ::std::option::Option<Self> {
                let $crate::Scalar::Str(text) = scalar else { return ::std::option::Option::None };
                match text.as_str() {
                    $($text => ::std::option::Option::Some(Self::$variant),)+
                    _ => ::std::option::Option::None,
                }
            }
        }
    };
}
