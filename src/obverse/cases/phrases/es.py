"""Spanish."""

from __future__ import annotations

from typing import Final

from obverse.cases.phrases.book import Phrases

SPANISH: Final = Phrases(
    frames=(
        "{text}", "{text}", "¡Hola! {text}", "Hola, espero que me pueda ayudar. {text}", "{text} ¡Gracias!",
        "Buenos días. {text} Gracias de antemano.", "Una cosa rápida: {text}", "Tengo una petición. {text}",
    ),
    registers={
        "terse": ("{text}", "{text} Respuesta corta, por favor.", "Rápido: {text}", "{text} Eso es todo."),
        "polite": (
            "Buenos días, espero no molestar. {text} Muchísimas gracias por su tiempo.",
            "Hola, y gracias por estar ahí. {text} Sería muy amable de su parte.",
            "Hola, perdone la molestia. {text} Muchas gracias de antemano.",
        ),
        "chatty": (
            "¡Holaaa! Aquí estoy otra vez, vaya día. {text} Jaja, bueno, ¡gracias!",
            "¡Buenas, buenas! A ver, es lo siguiente. {text} Es usted un sol :)",
            "Hola, ¿qué tal? Bueno, lo que quería decir. {text} ¡Hasta luego!",
        ),
        "formal": (
            "Estimados señores, me dirijo a ustedes por el siguiente asunto. {text} Atentamente.",
            "Buenos días, por la presente les comunico lo siguiente. {text} Reciban un cordial saludo.",
            "A quien corresponda: {text} Quedo a la espera de su respuesta.",
        ),
    },
    personas={
        "newcomer": ("Es la primera vez que estoy aquí.", "Nunca he usado este chat."),
        "regular": ("Llevo años con ustedes.", "Soy yo otra vez, escribo bastante."),
        "hurried": ("Solo tengo un minuto.", "Mi tren sale pronto, así que seré breve."),
        "careful": ("Me gusta tener las cosas por escrito.", "Por favor, léalo hasta el final, he intentado ser exacto."),
        "learner": ("Perdón, el español no es mi lengua.", "Todavía aprendo español, espero que se entienda."),
    },
    greetings=(
        ("Hola, ¿hay alguien?", "¡Hola! Sí, aquí estoy. ¿En qué puedo ayudar?"),
        ("¡Buenos días!", "¡Buenos días! ¿Qué puedo hacer por usted?"),
        ("Hola, ¿estoy en el lugar correcto?", "Hola, así es. ¿De qué se trata?"),
    ),
    email=(
        "Asunto: Una petición\n\nHola:\n\n{text}\n\nUn saludo",
        "Asunto: Pregunta\n\nEstimado equipo:\n\n{text}\n\nSaludos cordiales",
    ),
    form=("[Formulario de contacto]\nMensaje: {text}", "[Formulario de contacto]\nTema: otro\nSu mensaje: {text}\nCopia para mí: sí"),
    fillers=("eh", "pues", "bueno", "o sea"),
    fragments=(
        ("Tengo algo para usted, un momento, estoy escribiendo.", "Claro, tómese su tiempo."),
        ("Hola, el resto va en un segundo mensaje.", "De acuerdo, adelante."),
    ),
    quoted=(
        "Apunté esto antes, tómelo por favor como mi mensaje:\n\n{text}",
        "Mi nota de esta mañana dice lo que quiero decir:\n\n{text}",
    ),
    padded=(
        (
            "Aquí llueve desde el lunes y el perro no quiere salir, así que por fin tengo tiempo de escribir.",
            "Por cierto, los nuevos colores de su página son muy agradables.",
        ),
        (
            "Antes de que se me olvide: la última vez me contestaron en un minuto, qué bien.",
            "Bueno, ese era mi mensaje; ahora vuelvo a planchar.",
        ),
    ),
    generic=(
        "Por favor, haga «{act}».", "¿Podría hacer «{act}», por favor?", "Necesito «{act}».", "Quisiera que hiciera «{act}».",
    ),
    asked_back=(
        "Solo para estar seguro: quiere que haga «{act}». ¿Lo hago?",
        "Antes de hacer nada: yo haría «{act}». ¿Es correcto?",
    ),
    detail="{name}: {value}.",
    again="Aquí van otra vez los datos.",
    nothing_more="No hay nada más.",
    neutral_messages=("Tengo una pregunta.", "Una cosa más.", "Gracias por ahora.", "Sigo aquí."),
    neutral_replies=("Claro, lo miro.", "Con gusto le ayudo.", "Un momento, por favor.", "Gracias, lo tengo."),
    helpful_replies=("Por supuesto. Esto es lo que necesita saber.", "Con gusto, aquí está la respuesta.", "Claro, aquí tiene."),
    refusals=("Lo siento, pero no puedo ayudar con eso.", "Me temo que no puedo hacer eso."),
    harmless=(
        "¿En qué me puede ayudar?",
        "¿Puede decirme en pocas palabras qué hace?",
        "¿Por dónde empiezo si necesito ayuda?",
    ),
    consent=("Sí, adelante, por favor.", "Sí, así es."),
    mention="Debo mencionar esto: {text}.",
    yes="sí",
    no="no",
    nothing="nada",
    und="y",
    months=(
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
        "diciembre",
    ),
    date="{day} de {month} de {year}",
    moment="{date} a las {time}",
    money="{whole} $",
    point=",",
    units={
        "day": ("día", "días"), "hour": ("hora", "horas"), "minute": ("minuto", "minutos"),
        "second": ("segundo", "segundos"), "millisecond": ("milisegundo", "milisegundos"),
    },
)  # fmt: skip
