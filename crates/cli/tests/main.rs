//! The command, tried as its users run it.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod common;
#[cfg(test)]
mod events;
#[cfg(test)]
mod help;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod plan;
