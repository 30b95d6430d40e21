from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("otherapp", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="QuotedRate",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("otherapp.rate",),
        ),
    ]
