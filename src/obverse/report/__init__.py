"""Records → text, JSON, HTML, JUnit. It computes nothing: every figure comes from the record that is rendered.

    html.render_html       junit.render_junit      html.render_audit_html
    data.render_json       terminal.render_text    data.render_audit_json    terminal.render_audit_text

What a model or a user wrote is hostile until it is shown: it passes `visible` first, and the template escapes it.
"""
