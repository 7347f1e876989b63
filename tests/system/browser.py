"""Debian's chromium without a window, and the form of a connection as a user fills it in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement

from tests.system.airflow_server import AirflowServer, wait_for

_PATIENCE = 60.0
"""Seconds that an element may take to appear."""

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # it refuses to have one as root
    "--disable-dev-shm-usage",  # which in a container is small
    "--window-size=1400,2200",
    # Whatever is not on this machine is not there: nothing is fetched or told behind our back.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@contextmanager
def chromium() -> Iterator[WebDriver]:
    """Run a browser until the block ends.

    :raises RuntimeError: if it is not installed; it says what to install.
    """
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        raise RuntimeError("There is no chromium and chromedriver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    # Told of both, Selenium looks for neither on the network.
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        chrome.implicitly_wait(_PATIENCE)
        yield chrome
    finally:
        chrome.quit()


class ConnectionForm:
    """The form of a new connection of type S3 Destination, opened in Airflow's UI."""

    def __init__(self, browser: WebDriver, airflow: AirflowServer, conn_id: str) -> None:
        self._browser = browser
        browser.get(f"{airflow.url}/connections")
        self._named(browser, "button", "Add Connection").click()
        self._dialog = browser.find_element(By.CSS_SELECTOR, "[role=dialog]")
        self._dialog.find_element(By.NAME, "connection_id").send_keys(conn_id)
        kind = self._dialog.find_element(By.CSS_SELECTOR, "[role=combobox]")
        kind.send_keys("S3 Destination")
        self._named(browser, "*[@role='option']", "S3 Destination")  # it comes once the types are fetched
        kind.send_keys(Keys.ENTER)

    def open(self, section: str) -> None:
        """Open a section, which closes the one that was open, unless it is open already."""
        trigger = self._named(self._dialog, "*[@data-part='item-trigger']", section)
        if trigger.get_attribute("aria-expanded") != "true":
            trigger.click()

    def type(self, **texts: str) -> None:
        """Type texts or numbers into fields of the extra."""
        for field, text in texts.items():
            self.field(field).send_keys(text)

    def select(self, **options: str) -> None:
        """Select options of fields of the extra."""
        for field, option in options.items():
            box = self._dialog.find_element(By.XPATH, f".//input[@name='element_{field}']/..//input[@role='combobox']")
            box.send_keys(option, Keys.ENTER)

    def write(self, title: str, text: str) -> None:
        """Write JSON into the editor below a title, in place of what it holds."""
        below = f".//*[normalize-space()='{title}']/following::*[contains(@class, 'monaco-editor')][1]"
        self._dialog.find_element(By.XPATH, below).click()
        select_all = ActionChains(self._browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL)
        select_all.send_keys(Keys.DELETE).perform()
        # Typed by keys, each bracket and quote would be closed by the editor too.
        self._browser.execute_cdp_cmd("Input.insertText", {"text": text})

    def field(self, name: str) -> WebElement:
        """Return a field of the extra."""
        return self._dialog.find_element(By.NAME, f"element_{name}")

    def suggestions(self, name: str) -> list[str]:
        """Return what a field suggests as long as it is empty."""
        options = f"//datalist[@id='{self.field(name).get_attribute('list')}']/option"
        return [str(option.get_attribute("value")) for option in self._browser.find_elements(By.XPATH, options)]

    def standard_fields(self) -> list[str]:
        """Return the names of the fields, of those that every type of connection may have, that are shown."""
        first = self._dialog.find_element(By.NAME, "description")
        wait_for(first.is_displayed, "the section to unfold")
        shown = self._dialog.find_elements(By.CSS_SELECTOR, "input[name], textarea[name]")
        names = [str(field.get_attribute("name")) for field in shown if field.is_displayed()]
        return [name for name in names if name != "connection_id"]

    @property
    def text(self) -> str:
        """What is to be read in the form."""
        return self._dialog.text

    @property
    def may_be_saved(self) -> bool:
        """Whether the form lets itself be saved."""
        return self._save_button.is_enabled()

    def save(self) -> None:
        """Save the connection, and wait until the form is closed."""
        self._save_button.click()
        wait_for(self._is_closed, "the form to be saved")

    def _is_closed(self) -> bool:
        self._browser.implicitly_wait(0)
        try:
            return not self._browser.find_elements(By.CSS_SELECTOR, "[role=dialog]")
        finally:
            self._browser.implicitly_wait(_PATIENCE)

    @property
    def _save_button(self) -> WebElement:
        return self._named(self._dialog, "button", "Save")

    @staticmethod
    def _named(within: WebDriver | WebElement, kind: str, text: str) -> WebElement:
        return within.find_element(By.XPATH, f".//{kind}[normalize-space()='{text}']")
