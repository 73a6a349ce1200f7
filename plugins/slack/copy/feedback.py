"""What is said when people vote and correct."""

from __future__ import annotations


def ask_why() -> str:
    """Told to somebody who voted down by an emoji, which opens no modal; with the button :func:`why_button`."""
    return "Your :-1: counts. What was wrong? You can also say so with the button *Not helpful* under the answer."


def why_button() -> str:
    """The label of that button."""
    return "Say why"


def reason_title() -> str:
    """The title of the modal that opens after a thumb down."""
    return "What was wrong?"


def reason_submit() -> str:
    """The label of the modal's button."""
    return "Send"


def reason_close() -> str:
    """The label that closes the modal; the thumb counts all the same."""
    return "Skip"


def reason_intro() -> str:
    """The first line of the modal."""
    return "Your vote is recorded. A reason tells us what to fix: the source, the page or the wording."


def reason_label() -> str:
    """The label above the reasons."""
    return "Reason"


def comment_label() -> str:
    """The label above the free text."""
    return "In your words"


def comment_missing() -> str:
    """Shown at the free text when *Something else* was chosen without saying what."""
    return "Please say in a few words what was wrong."


def correction_label() -> str:
    """The label above the correction."""
    return "What should the answer have been?"


def correction_missing() -> str:
    """Shown at a correction that is blank."""
    return "Please write what the answer should have been."


def correction_hint() -> str:
    """What becomes of a correction."""
    return "Corrections by support agents are used right away. Others are saved as suggestions."


def thanks(*, live: bool) -> str:
    """Told to the person who corrected an answer, and only to them."""
    if live:
        return "Thank you. Your correction is live: the next person who asks this gets it."
    return "Thank you. Your correction is saved. Others don't see it until a support agent accepts it."


def thanks_for_reason(follows: str) -> str:
    """Told to the person who gave a reason, and only to them.

    :param follows: what follows from it (:func:`bot.feedback.reasons.what_follows`), or an empty text.
    """
    return f"Thank you. {follows}" if follows else "Thank you. Your vote and your words are recorded."


def propose_title() -> str:
    """The title of the modal in which somebody who is no agent proposes a correction."""
    return "Suggest a correction"


def notice_title() -> str:
    """The title of the modal that says why there is nothing to correct."""
    return "Nothing to correct"


def notice_close() -> str:
    """The label that closes it."""
    return "OK"


def no_answer_here() -> str:
    """Shown to somebody who wants to correct a message that is no answer of Mentee's."""
    return "This message isn't one of my answers. Use the menu of a message in which I answered a question."


def not_for_you() -> str:
    """Shown to an agent who may not read every page that the answer names."""
    return (
        "This answer cites a page that you may not read, or that no longer exists. "
        "An agent who may read it can correct the answer."
    )


def shortcut_name() -> str:
    """The entry in a message's menu; Slack shows 24 characters."""
    return "Correct this answer"


def shortcut_description() -> str:
    """What it does."""
    return "Say what the answer should have been."


def correct_button() -> str:
    """The label of the button beside an answer that waits."""
    return "Correct"


def correct_title() -> str:
    """The title of the modal in which an agent corrects an answer."""
    return "Correct an answer"


def correct_submit() -> str:
    """The label of that modal's button."""
    return "Answer with this"


def correct_close() -> str:
    """The label that closes that modal and changes nothing."""
    return "Cancel"


def review_question() -> str:
    """Above the question in that modal."""
    return "*Asked*"


def review_answer() -> str:
    """Above the answer in that modal."""
    return "*Answered*"


def review_proposal() -> str:
    """Above what a colleague would have found right."""
    return "*Suggested by a colleague*"


def review_comment() -> str:
    """Above the comment of somebody who voted the answer down."""
    return "*Said with a :-1:*"


def corrected_meanwhile(who: str) -> str:
    """Above a colleague's correction that went live while the reader wrote another."""
    return f":warning: *{who} corrected this answer while you were writing. Yours isn't saved yet. Send it to replace:*"


def rejected_before(who: str) -> str:
    """Above the reason why a colleague found that the answer stands, before the reader began to write."""
    return f"*{who} decided that the answer stands. Why:*"


def rejected_meanwhile(who: str) -> str:
    """Above the reason why a colleague found that the answer stands, while the reader wrote another."""
    return f":warning: *{who} decided to keep the answer. Yours isn't saved yet. Send it to replace the answer. Why:*"
