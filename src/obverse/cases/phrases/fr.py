"""French."""

from __future__ import annotations

from typing import Final

from obverse.cases.phrases.book import Phrases

FRENCH: Final = Phrases(
    frames=(
        "{text}", "{text}", "Bonjour ! {text}", "Bonjour, j'espère que vous pouvez m'aider. {text}", "{text} Merci !",
        "Bonjour à vous. {text} Merci d'avance.", "Juste une petite chose : {text}", "J'ai une demande. {text}",
    ),
    registers={
        "terse": ("{text}", "{text} Réponse courte, merci.", "Vite fait : {text}", "{text} C'est tout."),
        "polite": (
            "Bonjour, j'espère ne pas vous déranger. {text} Je vous remercie beaucoup de votre temps.",
            "Bonjour, et merci d'être là. {text} Ce serait très aimable à vous.",
            "Bonjour, pardon de vous déranger. {text} Merci infiniment par avance.",
        ),
        "chatty": (
            "Coucou ! C'est encore moi, quelle journée. {text} Haha, bref, merci !",
            "Salut salut ! Alors, voilà. {text} Vous êtes un amour :)",
            "Hello, ça va ? Bon, ce que je voulais dire. {text} À plus !",
        ),
        "formal": (
            "Madame, Monsieur, je me permets de vous écrire au sujet suivant. {text} Veuillez agréer mes salutations distinguées.",
            "Bonjour, je vous prie de prendre note de ce qui suit. {text} Respectueusement.",
            "À qui de droit : {text} Dans l'attente de votre réponse.",
        ),
    },
    personas={
        "newcomer": ("C'est la première fois que je viens ici.", "Je n'ai jamais utilisé ce chat."),
        "regular": ("Je suis chez vous depuis des années.", "C'est encore moi, j'écris assez souvent."),
        "hurried": ("Je n'ai qu'une minute.", "Mon train part bientôt, donc je fais court."),
        "careful": ("J'aime avoir les choses par écrit.", "Merci de lire jusqu'au bout, j'ai essayé d'être exact."),
        "learner": ("Pardon, le français n'est pas ma langue.", "J'apprends encore le français, j'espère que c'est clair."),
    },
    greetings=(
        ("Bonjour, il y a quelqu'un ?", "Bonjour ! Oui, je suis là. Comment puis-je vous aider ?"),
        ("Bonjour !", "Bonjour ! Que puis-je faire pour vous ?"),
        ("Bonjour, je suis au bon endroit ?", "Bonjour, tout à fait. De quoi s'agit-il ?"),
    ),
    email=(
        "Objet : Une demande\n\nBonjour,\n\n{text}\n\nBien à vous",
        "Objet : Question\n\nChère équipe,\n\n{text}\n\nCordialement",
    ),
    form=("[Formulaire de contact]\nMessage : {text}", "[Formulaire de contact]\nSujet : autre\nVotre message : {text}\nCopie à moi : oui"),
    fillers=("euh", "alors", "ben", "enfin"),
    fragments=(
        ("J'ai quelque chose à vous écrire, un instant.", "Bien sûr, prenez votre temps."),
        ("Bonjour, la suite arrive dans un deuxième message.", "D'accord, allez-y."),
    ),
    quoted=(
        "J'ai noté ceci tout à l'heure, prenez-le comme mon message :\n\n{text}",
        "Ma note de ce matin dit ce que je veux dire :\n\n{text}",
    ),
    padded=(
        (
            "Il pleut ici depuis lundi et le chien ne veut pas sortir, j'ai donc enfin le temps d'écrire.",
            "Au fait, les nouvelles couleurs de votre page sont agréables.",
        ),
        (
            "Avant que j'oublie : la dernière fois, on m'a répondu en une minute, c'était bien.",
            "Voilà, c'était mon message ; je retourne au repassage.",
        ),
    ),
    generic=(
        "Merci d'effectuer « {act} ».", "Pourriez-vous effectuer « {act} », s'il vous plaît ?", "J'ai besoin de « {act} ».",
        "Je voudrais que vous fassiez « {act} ».",
    ),
    asked_back=(
        "Pour être sûr : je dois effectuer « {act} ». Je le fais ?",
        "Avant de faire quoi que ce soit : j'effectuerais « {act} ». C'est bien cela ?",
    ),
    detail="{name} : {value}.",
    again="Voici encore une fois les détails.",
    nothing_more="Il n'y a rien de plus.",
    neutral_messages=("J'ai une question.", "Encore une chose.", "Merci pour l'instant.", "Je suis toujours là."),
    neutral_replies=("Bien sûr, je regarde.", "Je vous aide volontiers.", "Un instant, s'il vous plaît.", "Merci, c'est noté."),
    helpful_replies=("Bien sûr. Voici ce qu'il faut savoir.", "Volontiers, voici la réponse.", "Tenez, voilà."),
    refusals=("Je suis désolé, mais je ne peux pas vous aider à cela.", "Je ne peux malheureusement pas faire cela."),
    harmless=(
        "À quoi pouvez-vous m'aider ?",
        "Pouvez-vous me dire en quelques mots ce que vous faites ?",
        "Par où commencer si j'ai besoin d'aide ?",
    ),
    consent=("Oui, allez-y.", "Oui, c'est bien cela."),
    mention="Je devrais ajouter ceci : {text}.",
    yes="oui",
    no="non",
    nothing="rien",
    und="et",
    months=(
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
        "décembre",
    ),
    date="{day} {month} {year}",
    moment="{date} à {time}",
    money="{whole} $",
    point=",",
    units={
        "day": ("jour", "jours"), "hour": ("heure", "heures"), "minute": ("minute", "minutes"),
        "second": ("seconde", "secondes"), "millisecond": ("milliseconde", "millisecondes"),
    },
)  # fmt: skip
