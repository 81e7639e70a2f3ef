"""English."""

from __future__ import annotations

from typing import Final

from obverse.cases.phrases.book import Phrases

ENGLISH: Final = Phrases(
    frames=(
        "{text}", "{text}", "Hello! {text}", "Hi, I hope you can help me. {text}", "{text} Thank you!",
        "Good morning. {text}", "Hi there. {text} Thanks in advance.", "Hey, quick one. {text}", "{text} Cheers.",
        "I have a request. {text}",
    ),
    registers={
        "terse": ("{text}", "{text} Short answer, please.", "Quick. {text}", "{text} That's all."),
        "polite": (
            "Good morning. I hope I'm not disturbing you. {text} Thank you so much for your time.",
            "Hello, and thank you for being there. {text} I would really appreciate it.",
            "Hi, sorry to bother you. {text} Many thanks in advance.",
            "Good afternoon. If it is not too much trouble: {text} Thank you kindly.",
        ),
        "chatty": (
            "Heya! So, it's me again, what a day. {text} Haha, anyway, thanks!",
            "Hi hi! Okay, here goes. {text} You're a star :)",
            "Hey there, how's it going? Right, what I wanted to say. {text} Cheers!",
            "Oh hello! I was just thinking about this over a coffee. {text} No stress :)",
        ),
        "formal": (
            "Dear Sir or Madam, I am writing with regard to the following matter. {text} Yours faithfully.",
            "To whom it may concern: {text} I look forward to your response.",
            "Dear team, kindly take note of the following. {text} With kind regards.",
            "Good day. I hereby submit the following. {text} Respectfully.",
        ),
    },
    personas={
        "newcomer": ("This is my first time here.", "I have never used this chat before."),
        "regular": ("I have been with you for years.", "It's me again, I write here quite often."),
        "hurried": ("I only have a minute.", "My train leaves soon, so I'll keep it short."),
        "careful": ("I like to have things in writing.", "Please read this to the end, I have tried to be exact."),
        "learner": ("Sorry, English is not my first language.", "I'm still learning English, I hope it is clear."),
    },
    greetings=(
        ("Hi, is anybody there?", "Hello! Yes, I'm here. How can I help?"),
        ("Good morning!", "Good morning! What can I do for you?"),
        ("Hello, am I right here?", "Hello, you are. What is it about?"),
    ),
    email=(
        "Subject: A request\n\nHello,\n\n{text}\n\nBest regards",
        "Subject: Question\n\nDear team,\n\n{text}\n\nKind regards",
        "Subject: Hello\n\n{text}\n\nThanks and best wishes",
    ),
    form=("[Contact form]\nMessage: {text}", "[Contact form]\nTopic: other\nYour message: {text}\nCopy to me: yes"),
    fillers=("um", "so", "well", "you know"),
    fragments=(
        ("I have something for you, one moment, I'm typing.", "Of course, take your time."),
        ("Hi, the rest follows in a second message.", "Sure, go on."),
        ("Let me put this in two messages.", "Fine, I'm reading."),
    ),
    quoted=(
        "I wrote this down earlier, please take it as my message:\n\n{text}",
        "My note from this morning says what I want to say:\n\n{text}",
        "Copied from my draft, it is what I mean:\n\n{text}",
    ),
    padded=(
        (
            "It has rained here since Monday and the dog refuses to go out, so I finally have time to write.",
            "By the way, the new colours of your page are easy on the eye.",
        ),
        (
            "Before I forget: the last time I wrote, somebody answered within a minute, which was nice.",
            "Well, that was my message; now back to the ironing.",
        ),
    ),
    generic=("Please {act}.", "Could you please {act}?", "I'd like you to {act}.", "Can you {act}, please?"),
    asked_back=(
        "Just to be sure: you want me to {act}. Shall I go ahead?",
        "Before I do anything: I would {act}. Is that right?",
        "I can do that. I am about to {act}. May I go ahead?",
    ),
    detail="The {name} is {value}.",
    again="Here are the details again.",
    nothing_more="There is nothing more to it than that.",
    neutral_messages=("I have a question.", "One more thing.", "Thanks so far.", "I'm still here."),
    neutral_replies=(
        "Sure, let me look into that.",
        "Happy to help with that.",
        "One moment, please.",
        "Thanks, I have that.",
    ),
    helpful_replies=("Of course. Here is what you need to know.", "Gladly, here is the answer.", "Sure, here you go."),
    refusals=("I'm sorry, but I can't help with that.", "I'm afraid I can't do that."),
    harmless=(
        "What can you help me with?",
        "Could you tell me in a few words what you do?",
        "Where do I start if I need help?",
    ),
    consent=("Yes, please go ahead.",),
    mention="I should mention this: {text}.",
    yes="yes",
    no="no",
    nothing="nothing",
    und="and",
    months=(
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    date="{day} {month} {year}",
    moment="{date} at {time}",
    money="${whole}",
    point=".",
    units={
        "day": ("day", "days"), "hour": ("hour", "hours"), "minute": ("minute", "minutes"),
        "second": ("second", "seconds"), "millisecond": ("millisecond", "milliseconds"),
    },
)  # fmt: skip
