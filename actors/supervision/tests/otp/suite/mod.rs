//! The behaviour that OTP's `supervisor_SUITE` checks, case by case under its names, written against [`System`]: what any
//! supervision library offers. It knows nothing of the implementation it judges and imports none.

pub(crate) mod puppet;
pub(crate) mod rig;
pub(crate) mod runner;
pub(crate) mod system;

pub(crate) mod administration;
pub(crate) mod reports;
pub(crate) mod respecification;
pub(crate) mod restart_types;
pub(crate) mod robustness;
pub(crate) mod scale;
pub(crate) mod significant;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod strategies;

/// Hands the table of cases to a macro: group by group, in the suite's order.
macro_rules! for_each_case {
    ($each:ident) => {
        $each! {
            start:
                sup_start_normal,
                sup_start_ignore_child,
                sup_start_ignore_temporary_child,
                sup_start_ignore_temporary_child_start_child,
                sup_start_ignore_temporary_child_start_child_simple,
                sup_start_ignore_permanent_child_start_child_simple,
                sup_start_error_return,
                sup_start_fail,
                sup_start_child_returns_error,
                sup_start_restart_child_returns_error,
                sup_start_child_returns_error_simple,
                sup_start_map,
                sup_start_map_simple,
                sup_start_map_faulty_specs;
            stop:
                sup_stop_infinity,
                sup_stop_timeout,
                sup_stop_timeout_dynamic,
                sup_stop_brutal_kill,
                sup_stop_brutal_kill_dynamic,
                sup_stop_race,
                sup_stop_non_shutdown_exit_dynamic;
            administration:
                child_adm,
                child_adm_simple,
                child_specs,
                child_specs_map,
                sup_flags,
                which_children,
                which_children_simple_one_for_one,
                already_started_outside_supervisor,
                order_of_children;
            restart_types:
                permanent_normal,
                transient_normal,
                temporary_normal,
                permanent_shutdown,
                transient_shutdown,
                temporary_shutdown,
                permanent_abnormal,
                transient_abnormal,
                temporary_abnormal,
                temporary_bystander,
                faulty_application_shutdown;
            strategies:
                multiple_restarts,
                one_for_one,
                one_for_one_escalation,
                one_for_all,
                one_for_all_escalation,
                one_for_all_other_child_fails_restart,
                simple_one_for_one,
                simple_one_for_one_shutdown,
                simple_one_for_one_escalation,
                simple_one_for_one_corruption,
                simple_one_for_one_restart_ignore,
                rest_for_one,
                rest_for_one_escalation,
                rest_for_one_other_child_fails_restart,
                tree,
                simple_global_supervisor;
            robustness:
                child_unlink,
                hanging_restart_loop,
                hanging_restart_loop_rest_for_one,
                hanging_restart_loop_simple,
                count_children,
                count_children_supervisor,
                count_restarting_children,
                do_not_save_start_parameters_for_temporary_children,
                do_not_save_child_specs_for_temporary_children;
            scale:
                simple_one_for_one_scale_many_temporary_children,
                scale_start_stop_many_children;
            significant:
                nonsignificant_temporary,
                nonsignificant_transient,
                significant_temporary,
                significant_transient,
                significant_simple,
                significant_bystander,
                significant_escalation;
            respecification:
                code_change,
                code_change_map,
                code_change_simple,
                code_change_simple_map,
                significant_upgrade_never_any,
                significant_upgrade_any_never,
                significant_upgrade_never_all,
                significant_upgrade_all_never,
                significant_upgrade_any_all,
                significant_upgrade_all_any,
                significant_upgrade_child;
            reports:
                external_start_no_progress_log,
                format_log_1,
                format_log_2;
        }
    };
}
pub(crate) use for_each_case;
