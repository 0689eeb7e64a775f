"""SECURITY.md and docs/privacy.md say what is so: each sentence of theirs has a test, named here, or is no claim.

A sentence is known by its first words. One that is new, or is put otherwise, fails here until its test is named.
"""

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SECTIONS = {
    "SECURITY.md": [("## What is done", "## What is not done"), ("## What is in the logs", "## Threats")],
    "docs/privacy.md": [("Report 6001 says", "## What this does not cover")],
}
# Where most of the tests are.
PRIVACY, ROLES = "integration/test_privacy.py::test_", "integration/test_roles.py::test_"
PEOPLE, CLIENT = "unit/test_privacy.py::test_", "integration/test_client.py::test_"
ERASED = "integration/test_erased_means_erased.py::test_"
EVERYWHERE = (
    "integration/test_erased_everywhere.py::test_whoever_was_erased_is_in_no_byte_whatever_places_they_stood_in"
)
ALONE, STANDS = "integration/test_local_postgres_alone.py::test_", "integration/test_what_stands.py::test_"
HOSTILE, SECRETS = "unit/test_hostile_names.py::test_", "integration/test_secrets.py::test_"  # pragma: allowlist secret
BACKUP, WEB = "integration/test_backup.py::test_", "integration/test_webserver.py::test_"
LISTS = "integration/test_university.py::test_"
UNKNOWN = "integration/test_unknown_columns.py::test_"
ROOM_VIEWS = "integration/test_room_views.py::test_"
MEETINGS = (
    "integration/test_erased_hosts.py::"
    "test_whoever_is_erased_every_meeting_is_as_it_was_and_nobody_is_followed_to_another"
)
BY_EMAIL = "integration/test_erased_by_email.py::test_"
ONE_ACCOUNT = "integration/test_retention_of_one_account.py::test_"
HISTORY = "integration/test_history.py::test_"
BY_SQL, TIED = "integration/test_lists_by_sql.py::test_", "integration/test_listed_pseudonyms.py::test_"
NAMES_AGAIN = "names_of_old_days_that_a_backup_brings_back_are_taken_out_again_or_that_is_said"
RESTORED = "integration/test_restored_names.py::test_"
ANALYSTS = "integration/test_views_of_analysts.py::test_"
PLANS = "integration/test_plans_tell_nothing.py::test_"
BY_ORDER = "integration/test_order_of_rows.py::test_pseudonyms_do_not_come_in_the_order_of_ids"

CLAIMS = {
    # --- SECURITY.md
    "**Secrets.** They are read from": [f"{SECRETS}no_secret_is_left_after_success_refusal_timeout_or_an_error_that_quotes_it"],
    "Everything goes to Kaltura by POST": [f"{CLIENT}everything_is_posted_and_the_address_holds_nothing"],
    "Messages pass through one function": [f"{CLIENT}an_invalid_ks_that_quotes_the_ks_is_told_without_it"],
    "Where a part of a credential remains": ["unit/test_redaction.py::test_no_spelling_of_a_secret_gets_through"],
    "A test plants secrets": [
        f"{SECRETS}no_secret_is_left_after_success_refusal_timeout_or_an_error_that_quotes_it",
        f"{SECRETS}the_search_finds_a_secret_that_was_planted_in_any_spelling",
    ],
    "**The connection to Kaltura.**": [f"{CLIENT}a_certificate_that_nobody_vouches_for_is_refused_before_the_ks_is_sent"],
    "No redirect is followed": [f"{CLIENT}a_redirect_is_refused_as_it_would_carry_the_ks_to_another_host"],
    "A reply is bounded in size": [
        f"{CLIENT}the_bound_is_on_what_a_packed_reply_unpacks_to",
        f"{CLIENT}a_reply_that_is_packed_twice_or_otherwise_is_refused_unopened",
        f"{CLIENT}a_reply_that_comes_by_drops_does_not_hold_a_run_for_ever",
    ],
    "Error documents in XML": [f"{CLIENT}an_xml_error_can_not_blow_its_entities_up"],
    "**What strangers write.**": [f"{ERASED}a_manifest_that_was_tampered_with_is_not_believed_and_runs_nothing"],
    "Alerts, mails, the terminal": [
        f"{HOSTILE}a_chat_shows_text",
        f"{HOSTILE}teams_gets_runs_of_text_alone",
        f"{HOSTILE}a_mail_has_one_subject_and_no_line_of_a_strangers",
        f"{HOSTILE}a_terminal_shows_a_rooms_or_a_courses_name_as_text",
        f"{HOSTILE}a_log_has_a_servers_message_in_one_line",
        f"{HOSTILE}the_room_report_shows_every_rooms_name_as_text",
        f"{HOSTILE}dagsters_ui_gets_a_strangers_text_in_a_cell_of_a_table_alone",
    ],
    "What is given to `make`": ["unit/test_makefile.py::test_a_hostile_value_is_one_word_and_runs_nothing"],
    "It goes through the driver": [f"{ERASED}a_manifest_that_was_tampered_with_is_not_believed_and_runs_nothing"],
    "**The private Postgres** of a checkout": [
        f"{ALONE}a_process_of_nobody_does_not_come_in_even_where_it_reaches_the_socket",
        "integration/test_local_postgres.py::test_the_server_is_durable_utc_unicode_and_closed_to_the_network",
    ],
    "For root it runs as a number": [f"{ALONE}roots_server_runs_as_a_number_that_nothing_else_runs_as"],
    "Its log holds no row": [f"{ALONE}the_log_holds_no_row_and_no_statement_that_the_server_refuses"],
    "What an earlier version left open": [
        f"{ALONE}what_an_earlier_version_left_keeps_its_data_and_is_closed_at_the_next_start"
    ],
    "**Files.** What Dagster": [
        "unit/test_dagster_home.py::test_what_dagster_and_its_runs_write_is_for_their_user_alone",
        f"{BACKUP}a_backup_is_written_over_none_and_only_its_owner_reads_it",
    ],
    "Dagster's webserver takes orders": [
        f"{WEB}an_order_in_the_address_of_a_picture_is_refused_whatever_the_browser",
        f"{WEB}a_name_that_somebody_pointed_at_this_machine_is_refused",
    ],
    "Runs and their logs go after": [
        f"{HISTORY}the_nightly_job_goes_by_the_databases_clock_and_says_what_it_took", f"{HISTORY}no_day_changes_its_colour",
    ],
    "No token, name or e-mail address.": [
        f"{PRIVACY}nobody_is_in_what_dagster_stores_or_prints_though_the_database_quoted_a_row",
        f"{CLIENT}people_asked_for_are_repeated_in_a_replys_header_and_in_no_log",
        f"{CLIENT}nothing_that_is_logged_or_sent_in_an_address_holds_a_secret",
        EVERYWHERE,
    ],
    # --- docs/privacy.md
    "One of them lets people stand": [EVERYWHERE],
    "| user ids (attendees, hosts)": [
        f"{PRIVACY}in_mode_full_everybody_is_in_the_database",
        f"{PRIVACY}a_person_has_one_pseudonym_in_mode_pseudonymous_and_one_a_session_in_mode_none",
    ],
    "| names, e-mails; who opened": [
        f"{PRIVACY}names_and_emails_are_not_even_asked_for",
        f"{PRIVACY}in_the_other_modes_nobody_is_in_the_database",
    ],
    "| enrolments: [the university's lists]": [
        f"{LISTS}in_mode_pseudonymous_ids_become_the_pseudonyms_that_the_reports_have",
        f"{LISTS}mode_none_refuses_enrolments_and_takes_the_rest",
    ],
    "| `extra`: columns that": [f"{PEOPLE}names_and_unknown_columns_that_were_sent_all_the_same_are_dropped"],
    "| `loads.unknown_columns`": [
        f"{UNKNOWN}a_new_column_is_told_in_every_mode_until_a_pull_of_the_day_comes_without_it",
        f"{UNKNOWN}what_is_no_name_of_a_column_is_not_repeated",
    ],
    "| `rejects.raw`: lines": [f"{PEOPLE}a_withheld_line_tells_its_length_alone"],
    "| `loads.filters`, where": [f"{PRIVACY}a_pull_of_one_person_leaves_no_trace_of_whom_it_was_for"],
    "| `people` in it, and in `calendars.kept_to`": [
        f"{PRIVACY}days_of_an_installation_that_keeps_to_people_stay_whole_when_their_ids_go",
        f"{PRIVACY}with_another_key_a_list_of_people_is_not_known_any_more_and_its_days_are_pulled_again",
    ],
    "| Dagster's storage, logs": [
        f"{PRIVACY}nobody_is_in_what_dagster_stores_or_prints_though_the_database_quoted_a_row", EVERYWHERE,
    ],
    "| people counted over sessions": [
        f"{PEOPLE}a_person_is_another_in_every_session_in_mode_none_and_the_same_in_all_reports_of_it"
    ],
    "**The same person** are two ids": [
        f"{ERASED}a_person_is_nowhere_after_an_erasure_a_pull_and_the_restore_of_an_older_backup"
    ],
    "Letters of full width": ["unit/test_identity.py::test_who_is_not_the_same_is_not_taken_for_it"],
    "In one session their rows merge": ["unit/test_claims.py::test_two_spellings_of_one_id_are_one_row_in_a_session"],
    "Without a `PII_KEY`, spellings": [f"{PEOPLE}without_a_key_pseudonyms_are_drawn_and_never_twice_the_same"],
    "That is kept in mode `full` alone": [
        f"{PRIVACY}in_the_other_modes_nobody_is_in_the_database",
        f"{ROLES}an_analyst_reads_every_view_and_finds_nobody",
    ],
    "A pseudonym is `p_` and": [f"{PEOPLE}a_pseudonym_is_an_hmac_of_account_and_id"],
    "It is made in Python at load": [f"{PRIVACY}the_key_is_nowhere"],
    "Empty ids, `0`, `Unknown` and `Error`": [f"{PEOPLE}people_whom_kaltura_does_not_know_stay_as_they_are"],
    "`PII_KEY` is needed for": [
        f"{PRIVACY}erase_without_a_key_a_person_or_a_confirmation_changes_nothing",
        f"{PEOPLE}settings_that_can_not_be_used_are_named_with_what_would_do",
    ],
    "**whoever has it and a list": [f"{PRIVACY}the_key_is_nowhere", f"{PEOPLE}the_key_is_in_no_representation"],
    "An error of the database is told": [
        f"{PRIVACY}nobody_is_in_what_dagster_stores_or_prints_though_the_database_quoted_a_row"
    ],
    "So the launchpad has no place": [f"{PRIVACY}a_person_in_a_runs_config_is_refused_before_there_is_a_run", EVERYWHERE],
    "A run with others is refused": [f"{PRIVACY}a_filled_warehouse_refuses_other_settings_and_says_what_to_do"],
    "| empty, any |": [f"{PRIVACY}an_empty_warehouse_takes_on_any_mode"],
    "| `full` without a key": [f"{PRIVACY}a_key_set_later_in_mode_full_is_taken_on_and_pseudonyms_are_made_with_it"],
    "| `full`, `pseudonymous` |": [
        f"{PRIVACY}the_conversion_to_pseudonyms_leaves_nobody_and_the_warehouse_goes_on_in_that_mode"
    ],
    "| any other |": [f"{PRIVACY}a_filled_warehouse_refuses_other_settings_and_says_what_to_do"],
    "| another key, or a lost one": [f"{PRIVACY}a_filled_warehouse_refuses_other_settings_and_says_what_to_do"],
    "`make roles` makes three roles": [f"{ROLES}nobody_logs_in_as_a_role"],
    "It wants the owner of the schemas": [f"{ROLES}applying_them_again_changes_nothing"],
    "| `kaltura_loader` |": [f"{ROLES}a_loader_loads_a_day", f"{ROLES}a_loader_changes_no_schema"],
    "| `kaltura_analyst` |": [f"{ROLES}an_analyst_does_not_read_a_table", f"{ROLES}an_analyst_reads_every_view_and_finds_nobody"],
    "| `kaltura_analyst_pii` |": [f"{ROLES}an_analyst_who_may_see_people_reads_names_and_emails"],
    "Everybody queries the same views": [f"{ROLES}figures_are_the_same_for_all_analysts"],
    "Where the one who asks may not see": [f"{ROLES}a_person_has_the_same_pseudonym_in_every_view"],
    "People are shown to members": [
        f"{ROLES}an_analyst_who_may_see_people_does", f"{ROLES}an_analyst_does_not_become_one_who_sees_people",
    ],
    "Rows of `attendance` come": [BY_ORDER],
    "Nor do plans tell of ids": [
        f"{PLANS}an_operator_of_a_readers_own_is_told_no_id",
        f"{PLANS}explain_tells_no_id_that_is_there_from_one_that_is_not",
    ],
    "Nor does an `=` of theirs": [
        f"{PLANS}an_operator_that_comes_first_on_a_readers_path_is_told_no_id",
        f"{PLANS}no_function_is_read_anew_by_the_path_of_whoever_calls_it",
    ],
    "In mode `full` the pseudonym": [f"{PRIVACY}analysts_know_a_person_by_one_pseudonym_before_and_after_names_go"],
    "Who is put on the university's lists by SQL": [f"{BY_SQL}everybody_has_a_pseudonym_and_is_counted"],
    "An id without one is shown as NULL": [f"{ROLES}an_id_without_a_pseudonym_is_shown_as_nothing_and_never_as_it_is"],
    "A materialized view that somebody": [
        f"{ANALYSTS}an_upgrade_fills_them_as_their_owner_sees_people_and_with_no_other_rights"
    ],
    "After a restore that is done": [
        f"{ANALYSTS}a_restored_backup_fills_them_once_those_who_were_erased_since_are_out"
    ],
    "Views made anew by a migration": [f"{ROLES}views_made_anew_by_a_migration_are_readable_again"],
    "In one transaction, while no load": [
        f"{PRIVACY}an_erased_person_is_nowhere_and_the_figures_stay",
        f"{PRIVACY}the_rows_of_an_erased_person_can_not_be_linked_with_each_other",
        EVERYWHERE,
    ],
    "Where no id says whose": [EVERYWHERE],
    "People who are deleted at Kaltura": [
        "integration/test_people_stay_known.py::test_known_people_who_all_come_as_nobody_stay_as_they_were_and_it_is_said",
        "integration/test_people_stay_known.py::test_a_pull_names_no_erased_person_anew_and_leaves_what_the_erasure_left",
    ],
    "Of a host it differs in each meeting": [MEETINGS],
    "Rows and figures stay.": [f"{PRIVACY}an_erased_person_is_nowhere_and_the_figures_stay", MEETINGS],
    "Of a figure that counts people over several": [f"{PRIVACY}an_erased_person_who_comes_again_is_a_stranger_each_time"],
    "**Enrolments** of the person": [
        f"{LISTS}an_erased_person_is_on_no_list_and_no_later_one_brings_them_back", EVERYWHERE,
    ],
    "Where erasing fails in the middle": [
        f"{STANDS}where_the_database_ends_it_in_the_middle_nothing_was_changed_and_that_is_said",
        f"{STANDS}ctrl_c_in_the_middle_changes_nothing_and_says_so",
    ],
    "It goes, and is counted apart": [
        f"{ERASED}a_name_that_others_have_too_goes_where_it_stands_alone_is_counted_apart_and_stays_in_their_rows"
    ],
    "In the other person's own rows": [
        f"{ERASED}a_name_that_others_have_too_goes_where_it_stands_alone_is_counted_apart_and_stays_in_their_rows",
        EVERYWHERE,
    ],
    "An id that comes for the first time": [
        f"{BY_EMAIL}a_new_id_that_is_the_email_of_somebody_who_was_erased_is_theirs_and_one_that_was_there_is_another"
    ],
    "A line with an id is that": [
        f"{BY_EMAIL}whose_line_has_an_id_stays_listed_and_known_though_somebody_with_the_same_email_is_erased"
    ],
    "**An e-mail in the place of the id**": [
        f"{BY_EMAIL}the_person_who_has_the_email_is_erased_and_stays_so",
        f"{BY_EMAIL}who_was_erased_by_an_email_before_they_ever_came_comes_as_nobody",
        f"{BY_EMAIL}who_was_known_before_they_came_with_an_erased_email_is_nobody_on_all_days",
        f"{BY_EMAIL}who_comes_with_an_erased_email_on_a_day_past_retention_has_no_lasting_pseudonym",
        f"{BY_EMAIL}an_email_that_a_list_alone_has_beside_an_id_is_that_persons",
        f"{BY_EMAIL}an_email_that_several_have_erases_nobody_and_says_so",
        f"{TIED}an_email_that_old_days_have_lost_still_says_who_is_to_be_erased",
    ],
    "Erasing, retention and `forget-account` take them": [
        f"{ERASED}the_planner_keeps_nothing_of_whoever_was_taken_out"
    ],
    "Where a login may not (one without MAINTAIN": [
        f"{ERASED}a_login_that_may_not_take_the_planners_samples_anew_says_so_and_what_to_do"
    ],
    "By neither is anybody erased who has it": [
        "integration/test_erased_by_mistake.py::test_who_has_the_email_that_is_an_erased_persons_id_stays",
    ],
    "HMACs of the person, and of each": [
        f"{PRIVACY}a_backfill_does_not_bring_an_erased_person_back_and_writes_nothing", EVERYWHERE,
    ],
    "Exit code 1 means that nobody": [f"{PRIVACY}erase_of_somebody_unknown_says_so_and_fails"],
    "While anybody of an account is suppressed": [
        f"{ERASED}pieces_of_broken_lines_which_may_be_a_part_of_a_name_go_with_the_person_and_whole_lines_of_others_stay",
        EVERYWHERE,
    ],
    "**A backup that is restored**": [
        f"{ERASED}a_person_is_nowhere_after_an_erasure_a_pull_and_the_restore_of_an_older_backup", EVERYWHERE,
    ],
    "Names of days older than `RETENTION_DAYS` are taken": [
        f"{ERASED}{NAMES_AGAIN}", f"{RESTORED}what_each_account_had_taken_out_goes_again_whosever_settings_a_restore_has",
    ],
    "Of an account of which neither tells": [
        f"{ERASED}{NAMES_AGAIN}",
        f"{RESTORED}an_account_of_which_nothing_tells_how_long_it_keeps_names_is_named_with_its_command",
    ],
    "`restore` names each such account": [
        f"{ERASED}{NAMES_AGAIN}",
        f"{RESTORED}an_account_of_which_nothing_tells_how_long_it_keeps_names_is_named_with_its_command",
    ],
    "Without the `PII_KEY` that belongs": [f"{ERASED}a_restore_without_the_key_of_the_erased_restores_nothing"],
    "`RETENTION_DAYS=365` keeps": [
        f"{PRIVACY}how_old_a_day_is_goes_by_the_databases_clock_and_not_by_this_machines",
        f"{PRIVACY}names_of_old_days_go_and_those_of_later_days_stay",
    ],
    "It is the account's own": [
        f"{ONE_ACCOUNT}the_nightly_job_leaves_the_other_account_as_it_was",
        f"{ONE_ACCOUNT}an_old_day_pulled_by_the_account_leaves_the_other_as_it_was",
    ],
    "The schedule `nightly_retention`": [
        f"{PRIVACY}the_nightly_job_takes_names_out_of_old_days",
        f"{PRIVACY}analysts_know_a_person_by_one_pseudonym_before_and_after_names_go",
    ],
    "Enrolments are as old as": [
        f"{LISTS}enrolments_that_ended_before_retention_become_pseudonyms_and_no_later_list_brings_the_ids_back"
    ],
    "From the first of their days on": [
        f"{TIED}every_id_is_theirs_while_the_names_of_the_course_go_day_by_day",
        f"{TIED}every_id_is_theirs_once_the_course_itself_is_past_retention",
        f"{TIED}who_is_on_no_list_any_more_is_not_kept",
    ],
    "Rows that name people are shown to": [
        f"{ROOM_VIEWS}who_comes_back_after_more_than_retention_days_returned_and_is_one_person"
    ],
    "A pull of an old day is treated alike": [
        f"{PRIVACY}an_old_day_pulled_again_brings_no_name_back_and_writes_nothing"
    ],
}  # fmt: skip

# What Kaltura or Dagster do, what to do oneself, and where to read on.
NO_CLAIMS = (
    "**Backups.** A backup is SQL", "**Dagster's UI.** `make ui` listens", "**Supply chain.**", "`make check` runs pip-audit",
    "Counts, times, windows", "Report 6001 says", "Three things decide", "`PII_MODE` says what",
    "Each claim on this page", "Report 6002 names who", "Make one with", "Dagster stores the config", "The warehouse remembers",
    "The private Postgres of a checkout has them", "`SELECT analytics.shows_people()`", "**A name that others have too**",
    "The schedule is on by default", "By hand:", "`python -m pipelines retention`, with",
    "Somebody who is in several accounts", "Postgres's planner keeps samples", "`--partner-id` says which",
)  # fmt: skip


def sentences(document: str) -> list[str]:
    """Those of the sections that claim something; a row of a table is one."""
    text = (CHECKOUT / document).read_text("utf-8")
    found = []
    for start, end in SECTIONS[document]:
        part = text[text.index(start) : text.index(end)]
        for block in re.split(r"\n\s*\n", re.sub(r"```.*?```", "", part, flags=re.S)):
            if block.startswith("|"):
                found += block.strip().split("\n")[2:]
            elif not block.startswith("#"):
                for item in re.split(r"\n(?=- )", block.strip()):
                    found += re.split(r"(?<=[.:?)])\s+(?=[A-Z*`])", " ".join(item.split()).removeprefix("- "))
    return [sentence for sentence in found if sentence]


ALL = [sentence for document in SECTIONS for sentence in sentences(document)]


@pytest.mark.parametrize("sentence", ALL)
def test_each_sentence_has_its_tests_or_claims_nothing(sentence: str) -> None:
    assert len([start for start in (*CLAIMS, *NO_CLAIMS) if sentence.startswith(start)]) == 1


def test_nothing_is_named_that_the_documents_do_not_say() -> None:
    assert not [start for start in (*CLAIMS, *NO_CLAIMS) if not any(each.startswith(start) for each in ALL)]


@pytest.mark.parametrize("test", sorted({test for tests in CLAIMS.values() for test in tests}))
def test_each_test_that_is_named_is_there(test: str) -> None:
    file, name = test.split("::")
    assert f"\ndef {name}(" in (CHECKOUT / "tests" / file).read_text("utf-8")


def test_a_superset_of_ones_own_is_told_all_that_keeps_people_in_ours_before_it_shows_them() -> None:
    """What is Superset's own, and says nothing of people: where it keeps its things and what it is called."""
    config = ast.parse((CHECKOUT / "dashboards" / "superset_config.py").read_text("utf-8"))
    assigned = [
        target.id
        for node in config.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    defined = [node.name for node in config.body if isinstance(node, ast.FunctionDef)]
    flags = [
        key
        for node in ast.walk(config)
        if isinstance(node, ast.Dict)
        for key in map(ast.literal_eval, filter(None, node.keys))
        if key.isupper()
    ]
    settings = {each for each in (*assigned, *defined, *flags) if each.isupper() and not each.startswith("_")}
    settings -= {"ANALYST", "PEOPLE", "PEOPLE_ROLE", "SECRET_KEY", "SQLALCHEMY_DATABASE_URI", "APP_NAME"}
    assert {"EVENT_LOGGER", "DB_CONNECTION_MUTATOR", "CACHE_QUERY_BY_USER"} <= settings
    page = (CHECKOUT / "docs" / "dashboards.md").read_text("utf-8")
    part = page[page.index("## In a Superset that you have") : page.index("## A pooler between")]

    before, shown, _ = part.partition("`DB_CONNECTION_MUTATOR`")

    assert shown
    assert not [each for each in sorted(settings) if each not in before + shown]


def test_two_spellings_of_one_id_are_one_row_in_a_session() -> None:
    import pandas as pd

    from assets.attendees import ATTENDEES
    from resources.privacy.pseudonyms import one_spelling

    ids = ["Ada.X", "ada.x ", "bob", "ADA.X"]
    frame = pd.DataFrame({"entry_id": "1_r", "cue_point_id": ["a", "a", "a", "b"], "user_id": ids})
    assert one_spelling(frame, ATTENDEES.table)["user_id"].tolist() == ["ada.x ", "ada.x ", "bob", "ADA.X"]
