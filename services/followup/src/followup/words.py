"""What the pages say to customers, in each language that we speak; English where we don't."""

import re
from collections.abc import Sequence
from typing import Final

RTL: Final = frozenset({"ar", "he", "fa", "ur"})
FALLBACK: Final = "en"

WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "language": "English",
        "title": "Your opinion",
        "csat": "How satisfied are you with the help you got?",
        "nps": "How likely are you to recommend us to a friend or colleague?",
        "ces": "How easy did we make it for you to settle your matter?",
        "csat_low": "very dissatisfied",
        "csat_high": "very satisfied",
        "nps_low": "not at all likely",
        "nps_high": "extremely likely",
        "ces_low": "very difficult",
        "ces_high": "very easy",
        "comment": "Is there anything you would like to add? (optional)",
        "send": "Send answer",
        "choose": "Please choose one of the numbers.",
        "too_long": "Please shorten your comment a little.",
        "thanks": "Thank you. Your answer has arrived.",
        "kept": "Your answer is saved and will be passed on shortly. There is nothing more you need to do.",
        "change": "You can change your answer until {until}.",
        "expired": "This survey has ended. Thank you for taking the time to look.",
        "withdrawn": "We are still working on your matter, so we have taken this survey back. We will ask you later.",
        "unknown": "This link is not known here. Perhaps part of it is missing.",
        "unsubscribe_title": "What you get from us",
        "unsubscribe": "You are about to stop getting messages of this kind:",
        "stop": "Stop these messages",
        "start": "Get these messages",
        "stopped": "Done. You will get no more messages of this kind.",
        "started": "Done. You will get messages of this kind.",
        "choice_kept": "Your choice is saved and will be passed on shortly.",
        "survey": "Surveys",
        "marketing": "News and offers",
        "service": "Messages about your own requests",
        "check_in": "Calls to ask how things are going",
    },
    "de": {
        "language": "Deutsch",
        "title": "Ihre Meinung",
        "csat": "Wie zufrieden sind Sie mit unserer Hilfe?",
        "nps": "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?",
        "ces": "Wie leicht haben wir es Ihnen gemacht, Ihr Anliegen zu klären?",
        "csat_low": "sehr unzufrieden",
        "csat_high": "sehr zufrieden",
        "nps_low": "überhaupt nicht wahrscheinlich",
        "nps_high": "äußerst wahrscheinlich",
        "ces_low": "sehr schwer",
        "ces_high": "sehr leicht",
        "comment": "Möchten Sie noch etwas hinzufügen? (freiwillig)",
        "send": "Antwort senden",
        "choose": "Bitte wählen Sie eine der Zahlen.",
        "too_long": "Bitte kürzen Sie Ihren Kommentar ein wenig.",
        "thanks": "Vielen Dank. Ihre Antwort ist angekommen.",
        "kept": "Ihre Antwort ist gespeichert und wird in Kürze weitergegeben. Sie müssen nichts weiter tun.",
        "change": "Sie können Ihre Antwort bis {until} ändern.",
        "expired": "Diese Umfrage ist beendet. Danke, dass Sie sich die Zeit genommen haben.",
        "withdrawn": "Wir arbeiten noch an Ihrem Anliegen und haben diese Umfrage zurückgezogen. Wir fragen später.",
        "unknown": "Diesen Link kennen wir nicht. Vielleicht fehlt ein Teil davon.",
        "unsubscribe_title": "Was Sie von uns erhalten",
        "unsubscribe": "Sie sind dabei, Nachrichten dieser Art abzubestellen:",
        "stop": "Diese Nachrichten abbestellen",
        "start": "Diese Nachrichten erhalten",
        "stopped": "Erledigt. Sie erhalten keine Nachrichten dieser Art mehr.",
        "started": "Erledigt. Sie erhalten Nachrichten dieser Art.",
        "choice_kept": "Ihre Wahl ist gespeichert und wird in Kürze weitergegeben.",
        "survey": "Umfragen",
        "marketing": "Neuigkeiten und Angebote",
        "service": "Nachrichten zu Ihren Anliegen",
        "check_in": "Anrufe mit der Frage, ob alles in Ordnung ist",
    },
    "fr": {
        "language": "Français",
        "title": "Votre avis",
        "csat": "Êtes-vous satisfait de l’aide que vous avez reçue ?",
        "nps": "Quelle est la probabilité que vous nous recommandiez à un proche ou à un collègue ?",
        "ces": "A-t-il été facile pour vous de régler votre demande ?",
        "csat_low": "très insatisfait",
        "csat_high": "très satisfait",
        "nps_low": "pas du tout probable",
        "nps_high": "très probable",
        "ces_low": "très difficile",
        "ces_high": "très facile",
        "comment": "Souhaitez-vous ajouter quelque chose ? (facultatif)",
        "send": "Envoyer la réponse",
        "choose": "Veuillez choisir un des chiffres.",
        "too_long": "Veuillez raccourcir un peu votre commentaire.",
        "thanks": "Merci. Votre réponse est bien arrivée.",
        "kept": "Votre réponse est enregistrée et sera transmise sous peu. Vous n’avez rien d’autre à faire.",
        "change": "Vous pouvez modifier votre réponse jusqu’au {until}.",
        "expired": "Cette enquête est terminée. Merci d’avoir pris le temps de la regarder.",
        "withdrawn": "Nous travaillons encore à votre demande et avons retiré cette enquête. Elle viendra plus tard.",
        "unknown": "Ce lien nous est inconnu. Il en manque peut-être une partie.",
        "unsubscribe_title": "Ce que vous recevez de nous",
        "unsubscribe": "Vous êtes sur le point de ne plus recevoir les messages de ce type :",
        "stop": "Ne plus recevoir ces messages",
        "start": "Recevoir ces messages",
        "stopped": "C’est fait. Vous ne recevrez plus de messages de ce type.",
        "started": "C’est fait. Vous recevrez les messages de ce type.",
        "choice_kept": "Votre choix est enregistré et sera transmis sous peu.",
        "survey": "Enquêtes",
        "marketing": "Nouveautés et offres",
        "service": "Messages sur vos propres demandes",
        "check_in": "Appels pour prendre de vos nouvelles",
    },
    "es": {
        "language": "Español",
        "title": "Su opinión",
        "csat": "¿Qué tan satisfecho está con la ayuda que recibió?",
        "nps": "¿Qué probabilidad hay de que nos recomiende a un amigo o colega?",
        "ces": "¿Qué tan fácil le resultó resolver su asunto?",
        "csat_low": "muy insatisfecho",
        "csat_high": "muy satisfecho",
        "nps_low": "nada probable",
        "nps_high": "muy probable",
        "ces_low": "muy difícil",
        "ces_high": "muy fácil",
        "comment": "¿Desea añadir algo? (opcional)",
        "send": "Enviar respuesta",
        "choose": "Elija uno de los números, por favor.",
        "too_long": "Acorte un poco su comentario, por favor.",
        "thanks": "Gracias. Su respuesta ha llegado.",
        "kept": "Su respuesta está guardada y se transmitirá en breve. No tiene que hacer nada más.",
        "change": "Puede cambiar su respuesta hasta el {until}.",
        "expired": "Esta encuesta ha terminado. Gracias por su tiempo.",
        "withdrawn": "Seguimos trabajando en su asunto y hemos retirado esta encuesta. Le preguntaremos más adelante.",
        "unknown": "No conocemos este enlace. Quizá le falte una parte.",
        "unsubscribe_title": "Lo que recibe de nosotros",
        "unsubscribe": "Está a punto de dejar de recibir mensajes de este tipo:",
        "stop": "Dejar de recibirlos",
        "start": "Recibir estos mensajes",
        "stopped": "Hecho. No recibirá más mensajes de este tipo.",
        "started": "Hecho. Recibirá mensajes de este tipo.",
        "choice_kept": "Su elección está guardada y se transmitirá en breve.",
        "survey": "Encuestas",
        "marketing": "Novedades y ofertas",
        "service": "Mensajes sobre sus propias solicitudes",
        "check_in": "Llamadas para saber cómo va todo",
    },
    "ar": {
        "language": "العربية",
        "title": "رأيك",
        "csat": "ما مدى رضاك عن المساعدة التي تلقيتها؟",
        "nps": "ما مدى احتمال أن توصي بنا لصديق أو زميل؟",
        "ces": "ما مدى سهولة إنجاز طلبك معنا؟",
        "csat_low": "غير راضٍ تمامًا",
        "csat_high": "راضٍ جدًا",
        "nps_low": "غير محتمل إطلاقًا",
        "nps_high": "محتمل جدًا",
        "ces_low": "صعب جدًا",
        "ces_high": "سهل جدًا",
        "comment": "هل تود إضافة شيء؟ (اختياري)",
        "send": "إرسال الإجابة",
        "choose": "يرجى اختيار أحد الأرقام.",
        "too_long": "يرجى اختصار تعليقك قليلًا.",
        "thanks": "شكرًا لك. لقد وصلت إجابتك.",
        "kept": "تم حفظ إجابتك وستُرسل قريبًا. لا يلزمك فعل أي شيء آخر.",
        "change": "يمكنك تغيير إجابتك حتى {until}.",
        "expired": "انتهى هذا الاستبيان. شكرًا على وقتك.",
        "withdrawn": "ما زلنا نعمل على طلبك، ولذلك سحبنا هذا الاستبيان. سنسألك لاحقًا.",
        "unknown": "هذا الرابط غير معروف لدينا. ربما ينقص جزء منه.",
        "unsubscribe_title": "ما يصلك منا",
        "unsubscribe": "أنت على وشك إيقاف الرسائل من هذا النوع:",
        "stop": "إيقاف هذه الرسائل",
        "start": "استلام هذه الرسائل",
        "stopped": "تم. لن تصلك رسائل من هذا النوع بعد الآن.",
        "started": "تم. ستصلك رسائل من هذا النوع.",
        "choice_kept": "تم حفظ اختيارك وسيُرسل قريبًا.",
        "survey": "الاستبيانات",
        "marketing": "الأخبار والعروض",
        "service": "رسائل عن طلباتك",
        "check_in": "مكالمات للاطمئنان",
    },
}

_ACCEPTED = re.compile(r"\s*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?))?\s*")


def speak(*wishes: str | None) -> str:
    """The first wish that we speak, by its base language; English when there is none."""
    for wish in wishes:
        base = re.split(r"[-_]", wish.lower())[0] if wish else ""
        if base in WORDS:
            return base
    return FALLBACK


def accepted(header: str | None) -> Sequence[str]:
    """The languages of an Accept-Language header, best first (RFC 9110 §12.5.4); what can't be read is left out."""
    found = []
    for place, part in enumerate((header or "").split(",")[:30]):
        read = _ACCEPTED.fullmatch(part)
        if read and float(read[2] or 1) > 0:
            found.append((-float(read[2] or 1), place, read[1]))
    return [language for _, _, language in sorted(found)]


def direction(language: str) -> str:
    return "rtl" if language in RTL else "ltr"
