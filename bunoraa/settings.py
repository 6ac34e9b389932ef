"""The site's settings. Everything that differs between places comes from the environment, by bunoraa.env."""

import secrets
from pathlib import Path
from urllib.parse import quote

from bunoraa import env

BASE_DIR = Path(__file__).resolve().parent.parent

env.refuse_unknown(
    (
        "BUNORAA_ALLOWED_HOSTS",
        "BUNORAA_ARTIFACT",
        "BUNORAA_CLASSIFIER_ENABLED",
        "BUNORAA_CLASSIFIER_TASKS",
        "BUNORAA_CSRF_TRUSTED_ORIGINS",
        "BUNORAA_DATA",
        "BUNORAA_DEBUG",
        "BUNORAA_HTTPS",
        "BUNORAA_LOG_LEVEL",
        "BUNORAA_SECRET_KEY",
    )
)

DEBUG = env.boolean("BUNORAA_DEBUG", default=False)
SECRET_KEY = env.text("BUNORAA_SECRET_KEY")
# Commands need no lasting key; bunoraa.wsgi and bunoraa.asgi refuse to serve with a temporary one.
SECRET_KEY_IS_TEMPORARY = not SECRET_KEY
if DEBUG and not SECRET_KEY:
    # Each reload of the development server is a new process: a new key would end every session.
    SECRET_KEY = env.kept_secret(BASE_DIR / ".demo" / "secret_key")
SECRET_KEY = SECRET_KEY or secrets.token_urlsafe(50)
ALLOWED_HOSTS = env.words("BUNORAA_ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_TRUSTED_ORIGINS = env.words("BUNORAA_CSRF_TRUSTED_ORIGINS")

HTTPS = env.boolean("BUNORAA_HTTPS", default=False)
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None

INSTALLED_APPS = [
    "apps.categories",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "bunoraa.urls"
LOGIN_URL = "admin:login"
WSGI_APPLICATION = "bunoraa.wsgi.application"
ASGI_APPLICATION = "bunoraa.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": env.database(env.text("DATABASE_URL", f"sqlite:///{quote(str(BASE_DIR / 'db.sqlite3'))}"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# Without `collectstatic` (a fresh clone, the tests) the files are served from where the apps keep them.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG or not STATIC_ROOT.is_dir()

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "apps.categories.log.RedactingFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": env.choice("BUNORAA_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
    },
    # Django's own handlers, those of its children too, would write past the formatter above.
    "loggers": {"django": {"level": "INFO", "handlers": []}},
}

CATEGORIES_PRODUCT_MODEL = "categories.Product"
CATEGORY_CLASSIFIER = {
    "ARTIFACT": env.text(
        "BUNORAA_ARTIFACT", str(BASE_DIR / "apps" / "categories" / "models" / "classifier.pt")
    ),
    "ENABLED": env.boolean("BUNORAA_CLASSIFIER_ENABLED", default=True),
    "TASKS": env.choice("BUNORAA_CLASSIFIER_TASKS", ("inline", "sweep"), "inline"),
}
