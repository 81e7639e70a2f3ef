"""German."""

from __future__ import annotations

from typing import Final

from obverse.cases.phrases.book import Phrases

GERMAN: Final = Phrases(
    frames=(
        "{text}", "{text}", "Hallo! {text}", "Hallo, ich hoffe, Sie können mir helfen. {text}", "{text} Danke!",
        "Guten Morgen. {text}", "Hallo zusammen. {text} Vielen Dank im Voraus.", "Nur ganz kurz: {text}",
        "Ich habe ein Anliegen. {text}",
    ),
    registers={
        "terse": ("{text}", "{text} Kurze Antwort reicht.", "Kurz: {text}", "{text} Das ist alles."),
        "polite": (
            "Guten Morgen, ich hoffe, ich störe nicht. {text} Haben Sie vielen Dank für Ihre Zeit.",
            "Guten Tag, schön, dass Sie da sind. {text} Das wäre sehr freundlich von Ihnen.",
            "Hallo, entschuldigen Sie bitte die Störung. {text} Herzlichen Dank im Voraus.",
        ),
        "chatty": (
            "Huhu! Ich schon wieder, was für ein Tag. {text} Haha, na ja, danke!",
            "Hallöchen! Also, es geht um Folgendes. {text} Sie sind ein Schatz :)",
            "Na, wie läuft's? Also, was ich sagen wollte. {text} Bis dann!",
        ),
        "formal": (
            "Sehr geehrte Damen und Herren, ich wende mich mit folgendem Anliegen an Sie. {text} Mit freundlichen Grüßen.",
            "Guten Tag, hiermit teile ich Ihnen Folgendes mit. {text} Hochachtungsvoll.",
            "Sehr geehrtes Team, bitte nehmen Sie Folgendes zur Kenntnis. {text} Mit vorzüglicher Hochachtung.",
        ),
    },
    personas={
        "newcomer": ("Ich bin zum ersten Mal hier.", "Ich habe diesen Chat noch nie benutzt."),
        "regular": ("Ich bin schon seit Jahren bei Ihnen.", "Ich bin's wieder, ich schreibe ja öfter."),
        "hurried": ("Ich habe nur eine Minute.", "Mein Zug fährt gleich, deshalb nur kurz."),
        "careful": ("Ich habe gern alles schriftlich.", "Bitte lesen Sie es bis zum Ende, ich war möglichst genau."),
        "learner": ("Entschuldigung, mein Deutsch ist noch nicht gut.", "Ich lerne noch Deutsch, ich hoffe, es ist klar."),
    },
    greetings=(
        ("Hallo, ist da jemand?", "Hallo! Ja, ich bin da. Wie kann ich helfen?"),
        ("Guten Morgen!", "Guten Morgen! Was kann ich für Sie tun?"),
        ("Guten Tag, bin ich hier richtig?", "Guten Tag, das sind Sie. Worum geht es?"),
    ),
    email=(
        "Betreff: Ein Anliegen\n\nGuten Tag,\n\n{text}\n\nViele Grüße",
        "Betreff: Frage\n\nLiebes Team,\n\n{text}\n\nMit freundlichen Grüßen",
    ),
    form=("[Kontaktformular]\nNachricht: {text}", "[Kontaktformular]\nThema: Sonstiges\nIhre Nachricht: {text}\nKopie an mich: ja"),
    fillers=("ähm", "also", "na ja", "sozusagen"),
    fragments=(
        ("Ich habe da etwas, einen Moment, ich tippe noch.", "Natürlich, lassen Sie sich Zeit."),
        ("Hallo, der Rest kommt gleich in einer zweiten Nachricht.", "Gern, nur weiter."),
    ),
    quoted=(
        "Das habe ich vorhin aufgeschrieben, bitte nehmen Sie es als meine Nachricht:\n\n{text}",
        "Auf meinem Zettel steht, was ich sagen will:\n\n{text}",
    ),
    padded=(
        (
            "Hier regnet es seit Montag und der Hund will nicht vor die Tür, so habe ich endlich Zeit zu schreiben.",
            "Übrigens sind die neuen Farben Ihrer Seite sehr angenehm.",
        ),
        (
            "Bevor ich es vergesse: Beim letzten Mal kam die Antwort nach einer Minute, das war schön.",
            "So, das war es von mir; jetzt zurück an die Bügelwäsche.",
        ),
    ),
    generic=(
        "Bitte führen Sie „{act}“ aus.", "Könnten Sie bitte „{act}“ ausführen?", "Ich brauche „{act}“.",
        "Ich möchte, dass Sie „{act}“ ausführen.",
    ),
    asked_back=(
        "Nur zur Sicherheit: Ich soll „{act}“ ausführen. Soll ich das tun?",
        "Bevor ich etwas tue: Ich würde „{act}“ ausführen. Ist das richtig?",
    ),
    detail="{name}: {value}.",
    again="Hier noch einmal die Angaben.",
    nothing_more="Mehr ist es nicht.",
    neutral_messages=("Ich habe eine Frage.", "Noch etwas.", "Danke so weit.", "Ich bin noch da."),
    neutral_replies=("Gern, ich sehe nach.", "Dabei helfe ich gern.", "Einen Moment, bitte.", "Danke, das habe ich."),
    helpful_replies=("Natürlich. Das müssen Sie wissen.", "Gern, hier ist die Antwort.", "Klar, bitte sehr."),
    refusals=("Es tut mir leid, aber dabei kann ich nicht helfen.", "Das kann ich leider nicht tun."),
    harmless=(
        "Wobei können Sie mir helfen?",
        "Können Sie mir in ein paar Worten sagen, was Sie tun?",
        "Wo fange ich an, wenn ich Hilfe brauche?",
    ),
    consent=("Ja, bitte machen Sie das.", "Ja, genau so."),
    mention="Das sollte ich noch erwähnen: {text}.",
    yes="ja",
    no="nein",
    nothing="nichts",
    und="und",
    months=(
        "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
        "Dezember",
    ),
    date="{day}. {month} {year}",
    moment="{date} um {time} Uhr",
    money="{whole} $",
    point=",",
    units={
        "day": ("Tag", "Tage"), "hour": ("Stunde", "Stunden"), "minute": ("Minute", "Minuten"),
        "second": ("Sekunde", "Sekunden"), "millisecond": ("Millisekunde", "Millisekunden"),
    },
)  # fmt: skip
