"""The net under the tests holds."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester, monkeypatch):
    """A suite of its own that stands on this one's conftest; it loads the plugins it names."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    conftest = (pytester._request.config.rootpath / "tests" / "conftest.py").read_text("utf-8")
    pytester.makeconftest(conftest)
    pytester.makeini("[pytest]\nqt_api = pyside6")
    return pytester


def test_a_window_left_behind_fails_its_own_test_only(suite):
    suite.makepyfile(
        """
        kept = []

        def test_leaks(qapp):
            from PySide6.QtWidgets import QWidget
            kept.append(QWidget())

        def test_is_tidy(qtbot):
            from PySide6.QtWidgets import QWidget
            window = QWidget()
            qtbot.addWidget(window)
            window.show()

        def test_deletes_later(qapp):
            from PySide6.QtWidgets import QWidget
            QWidget().deleteLater()

        def test_lets_go_of_a_cycle(qapp):
            from PySide6.QtWidgets import QWidget
            window = QWidget()
            window.itself = window

        def test_needs_no_window():
            pass
        """
    )
    result = suite.runpytest_subprocess("-p", "pytest-qt")
    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*The test left these windows open: <PySide6*QWidget*"])


def test_without_qt_nothing_is_watched(suite):
    suite.makepyfile("def test_adds(): assert 1 + 1 == 2")
    result = suite.runpytest_subprocess()
    result.assert_outcomes(passed=1)
