//! Tests that run the real binary.

#[cfg(test)]
mod alert_exception;
#[cfg(test)]
mod asff;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod audit_formats;
#[cfg(test)]
mod audit_view;
#[cfg(test)]
mod common;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod events;
#[cfg(test)]
mod help;
#[cfg(test)]
mod history;
#[cfg(feature = "aws")]
#[cfg(test)]
mod live;
#[cfg(test)]
mod ocsf;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod plan_actions;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod policy_diff;
#[cfg(test)]
mod policy_draft;
#[cfg(test)]
mod policy_test;
#[cfg(test)]
mod shapes;
