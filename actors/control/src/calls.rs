//! One call: found, allowed, run, answered in time, audited.

use crate::{
    outbox::Outbox,
    registry::BUILT_IN,
    server::Shared,
    wire::{self, Code, PROTOCOL, Request},
};
use metering::{Name, control::CallOutcome};
use protocol::method::{Handler, Method, MethodCall, MethodError, Peer};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{Exit, guarded};
use tokio::{sync::OwnedSemaphorePermit, task::JoinSet, time::Instant};

/// How long a caller waits for an answer.
pub(crate) const CALL_DEADLINE: Duration = Duration::from_secs(60);
/// How long an unanswered call may go on after that: changes are not cancelled halfway without need.
const CALL_LIMIT: Duration = Duration::from_secs(300);
/// Subscriptions of one connection.
pub(crate) const SUBSCRIPTIONS_MAX: usize = 8;
/// Parameters that, when true, make a mutation a mere look at what it would do.
const REHEARSALS: [&str; 2] = ["dry_run", "plan"];

/// An error of a call.
type Failed = (Code, String, Option<Value>);

/// Serves one request. Its answer, if it wants one, comes through `outbox` and carries `permit`.
pub(crate) async fn serve(
    request: Request,
    peer: &Peer,
    shared: &Arc<Shared>,
    outbox: &Arc<Outbox>,
    tasks: &mut JoinSet<()>,
    permit: OwnedSemaphorePermit,
) {
    let Request { id, method: name, params } = request;
    let began = Instant::now();
    let answer = match name.as_str() {
        "hello" => Ok(hello(peer, shared)),
        "rpc.discover" => Ok(shared.registry.discover()),
        _ => match allowed(&name, peer, shared) {
            Err(failed) => Err(failed),
            Ok(method) => {
                let call = MethodCall { params, peer: peer.clone() };
                match &method.handler {
                    Handler::Call(_) => {
                        spawn_call(method, call, id, shared, outbox, tasks, permit);
                        return;
                    }
                    Handler::Stream(_) => match subscribe(&method, call, outbox).await {
                        Ok(mut items) => {
                            count(Name::from(method.name), &Ok(Value::Null), began);
                            let number = outbox.subscribe(id, method.name, permit);
                            let outbox = Arc::clone(outbox);
                            tasks.spawn(async move {
                                while let Some(item) = items.recv().await {
                                    outbox.item(number, item);
                                }
                                outbox.end(number);
                            });
                            return;
                        }
                        Err(failed) => Err(failed),
                    },
                }
            }
        },
    };
    let built_in = BUILT_IN.iter().any(|(offered, _)| *offered == name) || shared.registry.get(&name).is_some();
    let known = if built_in { Name::from(name.as_str()) } else { Name::UNKNOWN };
    count(known, &answer, began);
    send(outbox, id, answer, permit);
}

fn count(method: Name, answer: &Result<Value, Failed>, began: Instant) {
    let outcome = match answer {
        Ok(_) => CallOutcome::Done,
        Err((Code::Forbidden, ..)) => CallOutcome::Forbidden,
        Err((Code::Parse | Code::InvalidRequest | Code::MethodNotFound, ..)) => CallOutcome::Invalid,
        Err((Code::InvalidParams | Code::Internal | Code::Refused | Code::Limit | Code::Deadline, ..)) => {
            CallOutcome::Refused
        }
    };
    metering::control::call(method, outcome, began.elapsed().as_secs_f64());
}

fn send(outbox: &Outbox, id: Option<Value>, answer: Result<Value, Failed>, permit: OwnedSemaphorePermit) {
    let Some(id) = id else { return }; // a notification gets no answer, not even an error
    let line = match answer {
        Ok(result) => wire::success(id, result),
        Err((code, message, data)) => wire::failure(id, code, message, data),
    };
    outbox.answer(line, Some(permit));
}

fn hello(peer: &Peer, shared: &Shared) -> Value {
    json!({
        "name": "impresario", "version": shared.version, "protocol": PROTOCOL, "pid": std::process::id(),
        "role": peer.role, "uid": peer.uid, "line_max": shared.config.line_max,
    })
}

fn allowed(name: &str, peer: &Peer, shared: &Shared) -> Result<Arc<Method>, Failed> {
    let Some(method) = shared.registry.get(name) else {
        let near = shared.registry.near(name);
        let hint = if near.is_empty() {
            "rpc.discover lists them".to_owned()
        } else {
            format!("near it: {}", near.join(", "))
        };
        return Err((Code::MethodNotFound, format!("there is no method {name:?}; {hint}"), None));
    };
    if peer.role < method.role {
        let text = format!("{name} takes the role {}, you have {}", method.role, peer.role);
        return Err((Code::Forbidden, text, None));
    }
    Ok(method)
}

async fn subscribe(
    method: &Method,
    call: MethodCall,
    outbox: &Outbox,
) -> Result<tokio::sync::mpsc::Receiver<Value>, Failed> {
    let Handler::Stream(open) = &method.handler else {
        return Err((Code::Internal, "not a stream".to_owned(), None));
    };
    if outbox.subscriptions() >= SUBSCRIPTIONS_MAX {
        let text = format!("this connection has {SUBSCRIPTIONS_MAX} subscriptions already: open another one");
        return Err((Code::Limit, text, None));
    }
    match tokio::time::timeout(CALL_DEADLINE, guarded(open(call))).await {
        Ok(answer) => flatten(method.name, answer),
        Err(_) => Err(late()),
    }
}

fn spawn_call(
    method: Arc<Method>,
    call: MethodCall,
    id: Option<Value>,
    shared: &Arc<Shared>,
    outbox: &Arc<Outbox>,
    tasks: &mut JoinSet<()>,
    permit: OwnedSemaphorePermit,
) {
    let Ok(slot) = Arc::clone(&shared.calls).try_acquire_owned() else {
        let text = "too many calls are under way: try again in a second".to_owned();
        return send(outbox, id, Err((Code::Limit, text, None)), permit);
    };
    let (shared, outbox) = (Arc::clone(shared), Arc::clone(outbox));
    // The call belongs to nobody: it outlives a caller that hangs up, so that no change stops halfway.
    let run = tokio::spawn(async move {
        let began = Instant::now();
        let answer =
            tokio::time::timeout(CALL_LIMIT, run(&method, call, &shared)).await.unwrap_or_else(|_| Err(late()));
        drop(slot);
        count(Name::from(method.name), &answer, began);
        answer
    });
    tasks.spawn(async move {
        let answer = match tokio::time::timeout(CALL_DEADLINE, run).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_cancelled)) => Err((Code::Internal, "the process is going down".to_owned(), None)),
            Err(_) => Err(late()),
        };
        send(&outbox, id, answer, permit);
    });
}

async fn run(method: &Method, call: MethodCall, shared: &Shared) -> Result<Value, Failed> {
    let Handler::Call(handler) = &method.handler else {
        return Err((Code::Internal, "not a call".to_owned(), None));
    };
    // A rehearsal changes nothing and leaves no row.
    let rehearsal = REHEARSALS.iter().any(|key| call.params.get(key) == Some(&Value::Bool(true)));
    let audited = method.mutates && !rehearsal;
    let (peer, params) = (call.peer.clone(), if audited { call.params.clone() } else { Value::Null });
    if audited {
        shared.audit.note(&peer, method.name, &params, "begun");
    }
    let answer = match still_there(method, &call, shared) {
        Ok(()) => flatten(method.name, guarded(handler(call)).await),
        Err(error) => flatten(method.name, Ok(Err(error))),
    };
    if audited {
        let outcome = answer.as_ref().err().map_or("done", |(_, message, _)| message.as_str());
        shared.audit.note(&peer, method.name, &params, outcome);
    }
    answer
}

/// Whether the incarnation that the caller means is the one that is there.
fn still_there(method: &Method, call: &MethodCall, shared: &Shared) -> Result<(), MethodError> {
    match method.condition(call)? {
        Some((path, wanted)) => Ok((shared.incarnations)(&path, wanted)?),
        None => Ok(()),
    }
}

fn flatten<T>(name: &str, answer: Result<Result<T, MethodError>, Exit>) -> Result<T, Failed> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(MethodError::InvalidParams(why))) => {
            Err((Code::InvalidParams, format!("parameters of {name} do not fit: {why}"), None))
        }
        Ok(Err(MethodError::Refused { message, data })) => Err((Code::Refused, message, data)),
        Err(panic) => {
            tracing::error!(control.method = name, error = %panic, "a control method panicked");
            Err((Code::Internal, format!("{name} failed inside: the log says more"), None))
        }
    }
}

fn late() -> Failed {
    let text = format!("no answer within {} s; it may still be carried out", CALL_DEADLINE.as_secs());
    (Code::Deadline, text, None)
}
