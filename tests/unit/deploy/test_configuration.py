"""The page of settings is what the settings classes say."""

from deploy.configuration import PAGE, SERVICES, write_page


def test_the_page_is_what_the_settings_say() -> None:
    assert PAGE.read_text() == write_page(), "python -m deploy.configuration"


def test_every_setting_says_what_it_is_for() -> None:
    silent = [
        f"{settings.service}.{name}"
        for settings in SERVICES
        for name, field in settings.model_fields.items()
        if not field.description
    ]
    assert silent == []
